import base64
import re

import pytest

from converter.lambdas import Call, Div, Input, LambdaUnreadableError, Mul, Number, lambda_reader, read_lambda
from converter.lambdas.opcodes import Operation

BEYOND = re.escape(
    "it does something other than arithmetic (+ - * / **), comparisons and calls of named functions"
)
A_FUNCTION = "it defines a function of its own"
# Since 3.12 a comprehension is part of the function around it.
COMPREHENSION = "it defines a function of its own|it has variables of its own"

READ = {
    ("alone", "lambda x: smooth_sigmoid(x)"): "smooth_sigmoid(x)",
    ("alone", "lambda x: activations.custom.smooth_sigmoid(x)"): "activations.custom.smooth_sigmoid(x)",
    ("alone", "lambda x: x / (1 + tf.abs(x))"): "(x / (1 + tf.abs(x)))",
    ("alone", "lambda x: x / (tf.abs(x) + 1.0)"): "(x / (tf.abs(x) + 1))",
    ("alone", "lambda x: x / (1 - tf.abs(x) * 0.01)"): "(x / (1 - (tf.abs(x) * 0.01)))",
    ("alone", "lambda x: 1.5 * x / (1 + 0.8 * K.abs(x))"): "((1.5 * x) / (1 + (0.8 * K.abs(x))))",
    ("alone", "lambda x: 1.5 * (x / (0.8 * abs(x) + 1))"): "(1.5 * (x / ((0.8 * abs(x)) + 1)))",
    ("alone", "lambda x: -x / (-2 - np.abs(-4 * x))"): "((-x) / ((-2) - np.abs((-4) * x)))",
    (
        "alone",
        "lambda x:\\\n  x / (\n    1 +\n    keras.ops.absolute(x)\n  )",
    ): "(x / (1 + keras.ops.absolute(x)))",
    ("alone", "lambda x: tf.nn.sigmoid(3.0 * x)"): "tf.nn.sigmoid(3 * x)",
    (
        "alone",
        "lambda x: tf.keras.activations.sigmoid(-(x / 4) * 300)",
    ): "tf.keras.activations.sigmoid((-(x / 4)) * 300)",
    ("alone", "lambda x: keras.activations.softsign(x)"): "keras.activations.softsign(x)",
    ("alone", "lambda x, /: 2 * tf.nn.softsign(0.5 * x)"): "(2 * tf.nn.softsign(0.5 * x))",
    ("alone", "lambda x: x"): "x",
    ("alone", "lambda x: x * x - x ** 2 / 1e3"): "((x * x) - ((x ** 2) / 1000))",
    ("alone", "lambda x: 3"): "3",
    ("alone", "lambda x: 2 * smooth_sigmoid(x)"): "(2 * smooth_sigmoid(x))",
    ("alone", "lambda x: x * 10 ** 400"): "(x * (10 ** 400))",
    ("alone", "lambda x: np.pi * x"): "(3.141592653589793 * x)",
    ("alone", "lambda x: tf.maximum(x, 0)"): "tf.maximum(x, 0)",
    ("alone", "lambda x: tf.abs()"): "tf.abs()",
    ("alone", "lambda x: tf.where(x > 0, x, 0.1 * x)"): "tf.where(x > 0, x, 0.1 * x)",
    (
        "alone",
        "lambda x: tf.clip_by_value(x, clip_value_min=0, clip_value_max=6.5)",
    ): "tf.clip_by_value(x, clip_value_min=0, clip_value_max=6.5)",
    ("alone", "lambda x: clip(-x, 0, x_max=x)"): "clip(-x, 0, x_max=x)",
    (
        "alone",
        "lambda x: f(f(x < 1, x <= 2), f(x == 3, x != 4), f(x > 5, x >= -6))",
    ): "f(f(x < 1, x <= 2), f(x == 3, x != 4), f(x > 5, x >= (-6)))",
    ("alone", "lambda x: x > 0"): "(x > 0)",
    ("alone", "lambda x, k=2: k * x"): "(2 * x)",
    ("alone", "lambda x, a=1.5, b=0.8: a * x / (1 + b * abs(x))"): "((1.5 * x) / (1 + (0.8 * abs(x))))",
    ("alone", "(lambda k: lambda x: k * x)(2)"): "(2 * x)",
    (
        "alone",
        "(lambda a, b: lambda x: a * x / (1 + b * tf.abs(x)))(1.5, -0.8)",
    ): "((1.5 * x) / (1 + ((-0.8) * tf.abs(x))))",
    ("alone", "(lambda a, b: lambda x, c=3: f(a * x > b, c, k=b))(1.5, 2)"): "f((1.5 * x) > 2, 3, k=2)",
    ("after imports", "lambda x: x / (1 + tf.abs(x))"): "(x / (1 + tf.abs(x)))",
    ("after imports", "lambda x: 1.5 * x / (1 + 0.8 * K.abs(x))"): "((1.5 * x) / (1 + (0.8 * K.abs(x))))",
    ("after imports", "lambda x: tf.nn.sigmoid(3.0 * x)"): "tf.nn.sigmoid(3 * x)",
    ("after imports", "lambda x: keras.activations.softsign(x)"): "keras.activations.softsign(x)",
    ("after imports", "lambda x: os.system(x)"): "os.system(x)",
    ("after imports", "lambda x: tf.where(x > 0, x, 0.1 * x)"): "tf.where(x > 0, x, 0.1 * x)",
    (
        "after imports",
        "lambda x: tf.clip_by_value(x, clip_value_min=0, clip_value_max=6.5)",
    ): "tf.clip_by_value(x, clip_value_min=0, clip_value_max=6.5)",
    ("after calls", "lambda x, k=2: smooth_sigmoid(x > k)"): "smooth_sigmoid(x > 2)",
    ("after calls", "(lambda k: lambda x: smooth_sigmoid(k * x))(3)"): "smooth_sigmoid(3 * x)",
    ("after calls", "lambda x: x / (1 + abs(x))"): "(x / (1 + abs(x)))",
    ("after calls", "lambda x: smooth_sigmoid(3 * x)"): "smooth_sigmoid(3 * x)",
}

GIVEN = {
    "lambda x, k: x / (1 + k * tf.abs(x))": ({"k": 2}, "(x / (1 + (2 * tf.abs(x))))"),
    "lambda x, k=3, *, m: f(x - k, k=m)": ({"m": 0.5}, "f(x - 3, k=0.5)"),
    "(lambda m: lambda x, k=1: m - k * x)(7)": ({"k": 2.5}, "(7 - (2.5 * x))"),
}

REFUSED = {
    "lambda: 1": "it takes 0 arguments, not one",
    "lambda x, y: x + y": "it takes 2 arguments, and the file has no value for 'y'",
    "lambda x, k: x / (1 + k * tf.abs(x))": "it takes 2 arguments, and the file has no value for 'k'",
    "lambda x, k=3, *, m: f(x - k, k=m)": "it takes 3 arguments, and the file has no value for 'm'",
    "lambda x, k=None: k * x": "its default 'k' is the constant None",
    "lambda x, k='a': x": "its default 'k' is the text 'a'",
    "lambda x, training=0: x": "it takes 'training'",
    "lambda x, *rest: x": r"it takes \*args",
    "lambda x, **rest: x": r"it takes \*\*kwargs",
    "lambda x, *, k=2: x": "it takes 2 arguments, and the file has no value for 'k'",
    "lambda x, k=2, *, m: x": "it takes 3 arguments, and the file has no value for 'm'",
    "(lambda k: lambda x: k(x))(abs)": "it closes over 'k', which is the text 'abs'",
    "(lambda k: lambda x: k * x)([1, 2])": "it closes over 'k', which is a list of values",
    "(lambda k: lambda x: k * x)(True)": "it closes over 'k', which is the constant True",
    "(lambda k: lambda x: k * x)(1e999)": "it closes over 'k', which is the constant inf",
    "lambda x: open('f', 'w')": "it uses the text 'f'",
    "lambda x: __import__('os').system('x')": "it uses the text 'os'",
    "lambda x: (y := x) / (1 + abs(y))": "it has variables of its own",
    "lambda x: x if x else -x": BEYOND,
    "lambda x: x and abs(x)": BEYOND,
    "lambda x: not x": BEYOND,
    "lambda x: ~x": BEYOND,
    "lambda x: +x": BEYOND,
    "lambda x: [v for v in x]": COMPREHENSION,
    "lambda x: {v: x for v in x}": COMPREHENSION,
    "lambda x: (v for v in x)": A_FUNCTION,
    "lambda x: (lambda y: y)(x)": A_FUNCTION,
    "lambda x: (lambda: x)()": A_FUNCTION,
    "lambda x: (yield x)": "it is a generator or a coroutine",
    "lambda x: x.shape": "it takes the attribute 'shape' of a value",
    "lambda x: x.mean()": "it takes the attribute 'mean' of a value",
    "lambda x: x[0]": r"it uses the operator \[\]",
    "lambda x: x[:, 1:2]": "it uses the constant None|it uses a constant that is no number",
    "lambda x: (x, x)": BEYOND,
    "lambda x: [x]": BEYOND,
    "lambda x: f'{x}'": BEYOND,
    "lambda x: x // 2": "it uses the operator //",
    "lambda x: x % 2": "it uses the operator %",
    "lambda x: x @ x": "it uses the operator @",
    "lambda x: tf.abs(x, name='a')": "it uses the text 'a'",
    "lambda x: tf.abs(*x)": BEYOND,
    "lambda x: tf.abs(x, **k)": f"{BEYOND}|it uses the value of 'k', which is not in the file",
    "lambda x: 0 < x < 1": BEYOND,
    "lambda x: x is x": f"{BEYOND}|it uses a comparison other than < <= == != > >=",
    "lambda x: x in x": f"{BEYOND}|it uses a comparison other than < <= == != > >=",
    "lambda x: make()(x)": "it calls something that is no named function",
    "lambda x: make(1)(x)": "it calls something that is no named function",
    "lambda x: alpha * x": "it uses the value of 'alpha', which is not in the file",
    "lambda x: f(g)": "it uses the value of 'g', which is not in the file",
    "lambda x: tf": "it uses the value of 'tf', which is not in the file",
    "lambda x: None": "it uses the constant None",
    "lambda x: True * x": "it uses the constant True",
    "lambda x: 'text'": "it uses the text 'text'",
    "lambda x: b'text'": "it uses a constant that is no number",
    "lambda x: 1j * x": "it uses a constant that is no number",
    "lambda x: 1e999 * x": "it uses the constant inf",
    "lambda x: ... * x": "it uses a constant that is no number",
    "lambda x: x in {1, 2}": "it uses a constant that is no number",
    "lambda x: os.system('x')": "it uses the text 'x'",
}


def read(row):
    return read_lambda(row["code"], row["defaults"], row["closure"])


@pytest.mark.parametrize(("context", "source"), READ)
def test_a_readable_lambda_means_the_same_whichever_python_wrote_it(recording, context, source):
    assert str(read(recording[context, source])) == READ[context, source]


@pytest.mark.parametrize("source", REFUSED)
def test_any_other_lambda_is_refused_with_its_reason(recording, source):
    row = recording.get(("alone", source)) or recording["after imports", source]
    with pytest.raises(LambdaUnreadableError) as caught:
        read(row)
    assert re.fullmatch(REFUSED[source], caught.value.reason)


def test_every_recorded_lambda_has_an_expectation(recording):
    expected = REFUSED.keys() | GIVEN.keys()
    assert {key for key in recording if key not in READ and key[1] not in expected} == set()


@pytest.mark.parametrize("source", GIVEN)
def test_what_a_layer_passes_by_name_stands_in_the_expression(recording, source):
    row, (given, expression) = recording["alone", source], GIVEN[source]
    assert str(read_lambda(row["code"], row["defaults"], row["closure"], given)) == expression


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"k": True}, "its argument 'k' is the constant True"),
        ({"k": float("nan")}, "its argument 'k' is the constant nan"),
        ({"k": [2]}, "its argument 'k' is a list of values"),
        ({"k": {"class_name": "function", "config": "f"}}, "its argument 'k' is the function 'f'"),
        ({"k": {"class_name": "__lambda__"}}, "its argument 'k' is another lambda"),
        ({"k": 10**400}, "it holds a number too large for float64"),
        ({"k": 1, "z": 2}, "it does not take the argument 'z' that its layer passes"),
        ({"k": 1, "x": 2}, "it does not take the argument 'x' that its layer passes"),
    ],
)
def test_what_a_layer_passes_must_be_numbers_that_the_lambda_takes(recording, given, reason):
    row = recording["alone", "lambda x, k: x / (1 + k * tf.abs(x))"]
    with pytest.raises(LambdaUnreadableError) as caught:
        read_lambda(row["code"], None, None, given)
    assert caught.value.reason == reason


def test_a_passed_number_wins_over_the_default(recording):
    row = recording["alone", "lambda x, k=2: k * x"]
    assert str(read_lambda(row["code"], row["defaults"], None, {"k": 5})) == "(5 * x)"


def test_as_many_values_are_stored_as_variables_are_closed_over(recording):
    row = recording["alone", "(lambda a, b: lambda x: a * x / (1 + b * tf.abs(x)))(1.5, -0.8)"]
    for closure in ([1.5], [1.5, -0.8, 2]):
        with pytest.raises(LambdaUnreadableError, match=f"closes over 2 variables, and .* {len(closure)}"):
            read_lambda(row["code"], None, closure)


def test_what_is_read_is_a_tree_of_plain_values(recording):
    assert read(recording["alone", "lambda x: tf.nn.sigmoid(3.0 * x)"]) == Call(
        "tf.nn.sigmoid", (Mul(Number(3.0), Input()),)
    )


def test_a_captured_value_betrays_itself_in_the_bytecode_though_the_file_hides_it(recording):
    row = recording["alone", "(lambda k: lambda x: k * x)(2)"]
    with pytest.raises(LambdaUnreadableError, match="it closes over a variable"):
        read_lambda(row["code"], None, None)


def test_a_second_argument_betrays_itself_in_the_bytecode_though_the_file_hides_its_default(recording):
    row = recording["alone", "lambda x, k=2: k * x"]
    with pytest.raises(LambdaUnreadableError, match="takes 2 arguments"):
        read_lambda(row["code"], None, None)


@pytest.mark.parametrize("empty", [None, [], ()])
def test_empty_defaults_and_closures_are_none(recording, empty):
    row = recording["alone", "lambda x: smooth_sigmoid(x)"]
    assert read_lambda(row["code"], empty, empty) == Call("smooth_sigmoid", (Input(),))


@pytest.mark.parametrize(
    ("defaults", "closure"), [([0], None), (None, [0]), ({}, None), ("", None), (None, 0)]
)
def test_any_other_default_or_closure_is_refused(recording, defaults, closure):
    row = recording["alone", "lambda x: smooth_sigmoid(x)"]
    with pytest.raises(LambdaUnreadableError, match=r"default|closes over"):
        read_lambda(row["code"], defaults, closure)


@pytest.mark.parametrize("code", ["", "!", "4wE", "\u00e9", "A" * 100_000, "TA==", "aQEAAAA=", "cgAAAAA="])
def test_what_is_no_marshalled_lambda_is_refused(code):
    with pytest.raises(LambdaUnreadableError):
        read_lambda(code, None, None)


def test_bytes_after_the_end_are_refused(recording):
    code = base64.b64decode(recording["alone", "lambda x: smooth_sigmoid(x)"]["code"])
    with pytest.raises(LambdaUnreadableError, match="damaged"):
        read_lambda(base64.b64encode(code + b"N").decode(), None, None)


def test_bytes_that_two_pythons_would_understand_differently_are_refused(recording, monkeypatch):
    row = recording["alone", "lambda x: -x / (-2 - np.abs(-4 * x))"]
    assert isinstance(read(row), Div)
    twins = [
        version._replace(
            instructions={
                number: (Operation.NOTHING, caches) if operation is Operation.NEGATE else (operation, caches)
                for number, (operation, caches) in version.instructions.items()
            }
        )
        for version in lambda_reader.BYTECODE_VERSIONS
    ]
    monkeypatch.setattr(lambda_reader, "BYTECODE_VERSIONS", (*lambda_reader.BYTECODE_VERSIONS, *twins))
    with pytest.raises(LambdaUnreadableError, match="different things in different versions"):
        read(row)
