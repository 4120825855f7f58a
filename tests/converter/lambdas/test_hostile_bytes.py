import base64
import json
import marshal
import math
import operator
import struct
import sys
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converter.lambdas import Call, Input, LambdaUnreadableError, Neg, Number, operations, read_lambda
from converter.lambdas.expression import Add, Binary, Div, Mul, Sub

REPEATABLE = settings(derandomize=True, database=None, deadline=None, max_examples=300)


def outcome(data):
    """What becomes of the bytes: an expression or the reason; anything else that happens fails the test."""
    try:
        return str(read_lambda(base64.b64encode(data).decode(), None, None))
    except LambdaUnreadableError as error:
        return error.reason


def outcome_by_operations(data, defaults, closure):
    """The same, and of an expression what it is by operations."""
    try:
        return str(operations(read_lambda(base64.b64encode(data).decode(), defaults, closure)))
    except LambdaUnreadableError as error:
        return error.reason


@given(st.binary(max_size=400))
@REPEATABLE
def test_random_bytes_are_refused(data):
    with pytest.raises(LambdaUnreadableError):
        read_lambda(base64.b64encode(data).decode(), None, None)


@given(data=st.data())
@REPEATABLE
def test_mutated_lambdas_are_read_or_refused(recording_rows, data):
    row = data.draw(st.sampled_from(recording_rows))
    code = bytearray(base64.b64decode(row["code"]))
    for _ in range(data.draw(st.integers(1, 4))):
        where = data.draw(st.integers(0, len(code) - 1))
        code[where : where + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
        if not code:
            break
    assert outcome_by_operations(bytes(code), row["defaults"], row["closure"])


@given(
    values=st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)
        ),
        max_leaves=6,
    ),
    name=st.sampled_from(["defaults", "closure"]),
)
@settings(REPEATABLE, max_examples=100)
def test_whatever_is_stored_beside_a_lambda_is_read_or_refused(recording_rows, values, name):
    for row in recording_rows[-2:]:
        stored = {"defaults": row["defaults"], "closure": row["closure"], name: values}
        assert outcome_by_operations(base64.b64decode(row["code"]), stored["defaults"], stored["closure"])


@pytest.fixture(scope="module")
def recording_rows(request):
    folder = request.path.with_name("recorded")
    return [row for path in sorted(folder.glob("*.json")) for row in json.loads(path.read_text())["lambdas"]]


@pytest.fixture(scope="module")
def recording_bytes(recording_rows):
    return [base64.b64decode(row["code"]) for row in recording_rows]


def test_every_truncation_is_refused(recording_bytes):
    for code in recording_bytes[:20]:
        for length in range(len(code)):
            with pytest.raises(LambdaUnreadableError):
                read_lambda(base64.b64encode(code[:length]).decode(), None, None)


@pytest.mark.parametrize(
    "data",
    [
        b")\x01" * 20_000,  # deep nesting
        b"(" + struct.pack("<i", 2**31 - 1),  # a tuple of two billion
        b"(" + struct.pack("<i", -1),
        b"s" + struct.pack("<i", 2**31 - 1),  # two gigabytes of bytes
        b"l" + struct.pack("<i", 2**31 - 1),  # a number of two billion digits
        b"l" + struct.pack("<i", -(2**31)),
        b"\xa9\x01r" + struct.pack("<i", 0),  # a tuple that holds itself
        b"r" + struct.pack("<i", -1),
        b"\xa9\x00" + b")\x02" * 15 + b"r\x00\x00\x00\x00" * 16,
        b"u" + struct.pack("<i", 2) + b"\xff\xff",
        b"c" * 4096,
        b"\xe3" * 4096,
    ],
)
def test_bombs_are_refused_with_few_calls_and_little_memory(data):
    calls, before = [], sys.getprofile()
    text = base64.b64encode(data).decode()
    tracemalloc.start()
    sys.setprofile(lambda _frame, event, _argument: calls.append(event))
    try:
        with pytest.raises(LambdaUnreadableError):
            read_lambda(text, None, None)
    finally:
        sys.setprofile(before)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert len(calls) < 20_000
    assert peak < 2**21


def test_a_set_of_shared_tuples_is_never_hashed():
    doubling = b""
    for number in range(14):  # each tuple holds the one before it twice: hashing would take 2 ** 14 steps
        doubling += b"\xa9\x02" + struct.pack("<ci", b"r", number) * 2 if number else b"\xa9\x00"
    assert "damaged" in outcome(b"(" + struct.pack("<i", 15) + doubling + b">" + struct.pack("<i", 0))


def test_a_long_lambda_is_refused_rather_than_followed():
    code = compile("lambda x: " + " + ".join(["x"] * 500), "<lambda>", "eval").co_consts[0]
    assert outcome(marshal.dumps(code)) == "it is longer than 200 instructions"


def test_the_longest_lambda_that_is_read_can_be_compared_and_printed():
    code = compile("lambda x: " + "-" * 190 + "x", "<lambda>", "eval").co_consts[0]
    assert outcome(marshal.dumps(code)) == "(-" * 190 + "x" + ")" * 190


def test_a_number_beyond_float64_is_refused():
    code = compile(f"lambda x: x * {10**320}", "<lambda>", "eval").co_consts[0]
    assert outcome(marshal.dumps(code)) == "it holds a number too large for float64"


BINARY = {Add: operator.add, Sub: operator.sub, Mul: operator.mul, Div: operator.truediv}


def evaluate(expression, x):
    if isinstance(expression, Binary):
        return BINARY[type(expression)](evaluate(expression.left, x), evaluate(expression.right, x))
    match expression:
        case Input():
            return x
        case Number(value):
            return value
        case Neg(operand):
            return -evaluate(operand, x)
        case Call("abs", (argument,)):
            return abs(evaluate(argument, x))
    raise AssertionError(expression)


# Twelve one-digit integers stay exact in float64, so that the values can be compared exactly.
sources = st.recursive(
    st.one_of(
        st.just("x"),
        st.integers(0, 9).map(str),
        st.floats(0, 1e6, allow_subnormal=False).map(repr),
    ),
    lambda inner: st.one_of(
        inner.map("(-{})".format),
        inner.map("abs({})".format),
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda parts: "({} {} {})".format(*parts)),
    ),
    max_leaves=12,
)


@given(source=sources, x=st.floats(-1e6, 1e6))
@REPEATABLE
def test_an_expression_compiled_by_this_python_is_read_back_with_the_same_values(source, x):
    function = eval(compile(f"lambda x: {source}", "<lambda>", "eval"))  # noqa: S307  built just above
    expression = read_lambda(base64.b64encode(marshal.dumps(function.__code__)).decode(), None, None)
    try:
        expected = float(function(x))
    except (ZeroDivisionError, OverflowError):
        return
    if math.isfinite(expected):
        assert evaluate(expression, x) == expected
