"""What a saved ``Lambda`` layer computes, found out without running any of it.

Keras stores a lambda as base64 of marshalled CPython bytecode and does not say which Python wrote it.
Here the bytes are read as data (``marshal_reader``, ``code_object``), followed symbolically through a
small list of allowed instructions (``opcodes``, ``evaluator``), and become an expression in one input
(``expression``); its other arguments and its free variables are the numbers that are stored beside it
(``binding``). ``normal_form`` then says whether that expression is one of the known activations, and
``elementwise`` which operations it consists of if it is another one.

The functions that a lambda calls are only spelled in the file; nothing here looks one up.
"""

from converter.lambdas.activation_patterns import (
    as_named_call,
    as_rational,
    as_sigmoid,
    as_softsign,
    constant,
    scaled_abs,
    scaled_input,
)
from converter.lambdas.elementwise import compute, operations
from converter.lambdas.errors import LambdaUnreadableError
from converter.lambdas.expression import (
    Add,
    Call,
    Div,
    Expression,
    Input,
    Mul,
    Neg,
    Number,
    Pow,
    Sub,
    unbracketed,
)
from converter.lambdas.known_functions import FUNCTIONS, Function
from converter.lambdas.lambda_reader import read_lambda

__all__ = [
    "FUNCTIONS",
    "Add",
    "Call",
    "Div",
    "Expression",
    "Function",
    "Input",
    "LambdaUnreadableError",
    "Mul",
    "Neg",
    "Number",
    "Pow",
    "Sub",
    "as_named_call",
    "as_rational",
    "as_sigmoid",
    "as_softsign",
    "compute",
    "constant",
    "operations",
    "read_lambda",
    "scaled_abs",
    "scaled_input",
    "unbracketed",
]
