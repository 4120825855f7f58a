import pytest

from serving.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("naïve 模型 'a b'", "naïve 模型 'a b'"),
        ("a\nb\r\t\x1b[2J\x00", "a\\nb\\r\\t\\x1b[2J\\x00"),
        ("\x9b\u2028\u202e", "\\x9b\\u2028\\u202e"),
        ("bad\udcff", "bad\\udcff"),
    ],
)
def test_what_cannot_be_printed_is_shown_as_an_escape(text, shown):
    assert printable(text) == shown
    assert printable(text).isprintable()
    printable(text).encode()
