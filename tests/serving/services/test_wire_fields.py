import pytest

from serving.services.element_limits import I32, I64, LEN, VARINT
from serving.services.wire_fields import MOST_FIELDS, FieldTable, IrregularMessageError, MessageWalk, only

TABLE = FieldTable({1: LEN, 2: VARINT, 3: I32, 4: I64}, frozenset({1}))


def test_fields_are_found_with_their_values():
    data = b"\x0a\x02ab" + b"\x10\xac\x02" + b"\x1d1234" + b"\x2112345678" + b"\x0a\x00"
    found = MessageWalk(data).message(FieldTable({**TABLE.wire_types, 4: I64}, TABLE.repeated))
    assert [(field.number, data[field.at : field.end]) for field in found] == [
        (1, b"ab"), (2, b"\xac\x02"), (3, b"1234"), (4, b"12345678"), (1, b""),
    ]  # fmt: skip
    assert [data[field.start] for field in found] == [0x0A, 0x10, 0x1D, 0x21, 0x0A]


def test_a_message_in_a_field_is_walked_over_within_its_bounds():
    data = b"\x0a\x04\x0a\x02ab\x10\x01"
    walk = MessageWalk(data)
    inner = walk.within(only(walk.message(TABLE), 1), TABLE)
    assert [data[field.at : field.end] for field in inner] == [b"ab"]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x2a\x01a", id="unknown field"),
        pytest.param(b"\x12\x01a", id="other wire type"),
        pytest.param(b"\x0b\x0c", id="group"),
        pytest.param(b"\x00", id="field 0"),
        pytest.param(b"\x10\x01\x10\x02", id="singular field twice"),
        pytest.param(b"\x8a\x00\x01a", id="tag in two bytes where one would do"),
        pytest.param(b"\x0a\x81\x00a", id="length likewise"),
        pytest.param(b"\x0a\x03ab", id="end within a value"),
        pytest.param(b"\x0a", id="end behind a tag"),
        pytest.param(b"\x10\x80", id="end within a number"),
        pytest.param(b"\x1d123", id="end within four bytes"),
        pytest.param(b"\x10" + b"\xff" * 11, id="number that is too long"),
        pytest.param(b"\x0a\x00" * (MOST_FIELDS + 1), id="too many fields"),
    ],
)
def test_what_is_irregular_is_refused(data):
    with pytest.raises(IrregularMessageError):
        MessageWalk(data).message(TABLE)


def test_a_value_that_leaves_its_message_is_refused_though_the_bytes_are_there():
    walk = MessageWalk(b"\x0a\x02\x0a\x02ab")
    with pytest.raises(IrregularMessageError):
        walk.within(walk.message(FieldTable({1: LEN, 12: VARINT}, frozenset({1})))[0], TABLE)


@pytest.mark.parametrize("data", [b"", b"\x0a\x00\x0a\x00"])
def test_the_only_field_of_a_number_is_one(data):
    with pytest.raises(IrregularMessageError):
        only(MessageWalk(data).message(TABLE), 1)
