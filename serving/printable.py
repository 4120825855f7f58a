"""Texts that name what others chose: no character of them steers a terminal or begins a line of its own."""


def printable(text: str) -> str:
    r"""A text in one line whose control characters, and what is no character, are shown as escapes.

        "a\n\x1b[2J"  ->  "a\\n\\x1b[2J"        "bad\udcff"  ->  "bad\\udcff"

    Args:
        text: The text; of any length, of any characters.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
