"""Prints, as JSON, how the Python that runs this marshals a table of lambdas.

    for version in 3.8 3.9 3.10 3.11 3.12 3.13 3.14; do
        python$version record_lambdas.py > recorded/python_$version.json
    done

The lambdas are made but not called, except those of AFTER_CALLS. Needs Python 3.8 and nothing else.
"""

import codecs
import json
import marshal
import sys

ALONE = [
    "lambda x: smooth_sigmoid(x)",
    "lambda x: activations.custom.smooth_sigmoid(x)",
    "lambda x: x / (1 + tf.abs(x))",
    "lambda x: x / (tf.abs(x) + 1.0)",
    "lambda x: x / (1 - tf.abs(x) * 0.01)",
    "lambda x: 1.5 * x / (1 + 0.8 * K.abs(x))",
    "lambda x: 1.5 * (x / (0.8 * abs(x) + 1))",
    "lambda x: -x / (-2 - np.abs(-4 * x))",
    "lambda x:\\\n  x / (\n    1 +\n    keras.ops.absolute(x)\n  )",
    "lambda x: tf.nn.sigmoid(3.0 * x)",
    "lambda x: tf.keras.activations.sigmoid(-(x / 4) * 300)",
    "lambda x: keras.activations.softsign(x)",
    "lambda x, /: 2 * tf.nn.softsign(0.5 * x)",
    "lambda x: x",
    "lambda x: x * x - x ** 2 / 1e3",
    "lambda x: 3",
    "lambda x: 2 * smooth_sigmoid(x)",
    "lambda x: x * 10 ** 400",
    "lambda x: np.pi * x",
    "lambda x: x > 0",
    "lambda x: tf.maximum(x, 0)",
    "lambda x: tf.abs()",
    "lambda x: tf.where(x > 0, x, 0.1 * x)",
    "lambda x: tf.clip_by_value(x, clip_value_min=0, clip_value_max=6.5)",
    "lambda x: clip(-x, 0, x_max=x)",
    "lambda x: f(f(x < 1, x <= 2), f(x == 3, x != 4), f(x > 5, x >= -6))",
    "lambda x, k=2: k * x",
    "lambda x, a=1.5, b=0.8: a * x / (1 + b * abs(x))",
    "(lambda k: lambda x: k * x)(2)",
    "(lambda a, b: lambda x: a * x / (1 + b * tf.abs(x)))(1.5, -0.8)",
    "(lambda a, b: lambda x, c=3: f(a * x > b, c, k=b))(1.5, 2)",
    # Read when their layer passes k and m:
    "lambda x, k: x / (1 + k * tf.abs(x))",
    "lambda x, k=3, *, m: f(x - k, k=m)",
    "(lambda m: lambda x, k=1: m - k * x)(7)",
    # Refused:
    "lambda: 1",
    "lambda x, y: x + y",
    "lambda x, k=None: k * x",
    "lambda x, k='a': x",
    "lambda x, training=0: x",
    "lambda x, *rest: x",
    "lambda x, **rest: x",
    "lambda x, *, k=2: x",
    "lambda x, k=2, *, m: x",
    "(lambda k: lambda x: k(x))(abs)",
    "(lambda k: lambda x: k * x)([1, 2])",
    "(lambda k: lambda x: k * x)(True)",
    "(lambda k: lambda x: k * x)(1e999)",
    "lambda x: open('f', 'w')",
    "lambda x: __import__('os').system('x')",
    "lambda x: (y := x) / (1 + abs(y))",
    "lambda x: x if x else -x",
    "lambda x: x and abs(x)",
    "lambda x: not x",
    "lambda x: ~x",
    "lambda x: +x",
    "lambda x: [v for v in x]",
    "lambda x: {v: x for v in x}",
    "lambda x: (v for v in x)",
    "lambda x: (lambda y: y)(x)",
    "lambda x: (lambda: x)()",
    "lambda x: (yield x)",
    "lambda x: x.shape",
    "lambda x: x.mean()",
    "lambda x: x[0]",
    "lambda x: x[:, 1:2]",
    "lambda x: (x, x)",
    "lambda x: [x]",
    "lambda x: f'{x}'",
    "lambda x: x // 2",
    "lambda x: x % 2",
    "lambda x: x @ x",
    "lambda x: tf.abs(x, name='a')",
    "lambda x: tf.abs(*x)",
    "lambda x: tf.abs(x, **k)",
    "lambda x: 0 < x < 1",
    "lambda x: x is x",
    "lambda x: x in x",
    "lambda x: make()(x)",
    "lambda x: make(1)(x)",
    "lambda x: alpha * x",
    "lambda x: f(g)",
    "lambda x: tf",
    "lambda x: None",
    "lambda x: True * x",
    "lambda x: 'text'",
    "lambda x: b'text'",
    "lambda x: 1j * x",
    "lambda x: 1e999 * x",
    "lambda x: ... * x",
    "lambda x: x in {1, 2}",
]

# A compiler that sees the import calls an attribute of what is imported in another way.
IMPORTS = (
    "import tensorflow as tf, numpy as np, os\nfrom tensorflow import keras\nfrom keras import backend as K\n"
)
AFTER_IMPORTS = [
    "lambda x: x / (1 + tf.abs(x))",
    "lambda x: 1.5 * x / (1 + 0.8 * K.abs(x))",
    "lambda x: tf.nn.sigmoid(3.0 * x)",
    "lambda x: keras.activations.softsign(x)",
    "lambda x: os.system(x)",
    "lambda x: os.system('x')",
    "lambda x: tf.abs(x, name='a')",
    "lambda x: tf.where(x > 0, x, 0.1 * x)",
    "lambda x: tf.clip_by_value(x, clip_value_min=0, clip_value_max=6.5)",
]

# A Python that has run a lambda often rewrites its instructions in memory.
AFTER_CALLS = [
    "lambda x: x / (1 + abs(x))",
    "lambda x: smooth_sigmoid(3 * x)",
    "lambda x, k=2: smooth_sigmoid(x > k)",
    "(lambda k: lambda x: smooth_sigmoid(k * x))(3)",
]


def stored(source, context, code, defaults=None, closure=None):
    text = codecs.encode(marshal.dumps(code), "base64").decode("ascii")
    return {"source": source, "context": context, "code": text, "defaults": defaults, "closure": closure}


def as_stored(value):
    """As Keras stores it: numbers and lists as they are, of a function its name."""
    return getattr(value, "__name__", value)


def alone(source):
    function = eval(compile(source, "<lambda>", "eval"), {})  # noqa: S307  from the table above
    closure = function.__closure__ and [as_stored(cell.cell_contents) for cell in function.__closure__]
    return stored(source, "alone", function.__code__, function.__defaults__, closure)


def after_imports(source):
    module = compile(IMPORTS + "layer = " + source + "\n", "<lambda>", "exec")
    code = next(constant for constant in module.co_consts if hasattr(constant, "co_code"))
    return stored(source, "after imports", code)


def after_calls(source):
    function = eval(compile(source, "<lambda>", "eval"), {"smooth_sigmoid": float})  # noqa: S307  likewise
    for number in range(5000):
        function(float(number))
    closure = function.__closure__ and [cell.cell_contents for cell in function.__closure__]
    return stored(source, "after calls", function.__code__, function.__defaults__, closure)


def main():
    rows = [alone(source) for source in ALONE]
    rows += [after_imports(source) for source in AFTER_IMPORTS]
    rows += [after_calls(source) for source in AFTER_CALLS]
    json.dump({"python": ".".join(map(str, sys.version_info[:3])), "lambdas": rows}, sys.stdout, indent=1)
    sys.stdout.write("\n")


main()
