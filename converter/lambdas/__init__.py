"""Determines what a saved ``Lambda`` layer computes, without running any of it.

Keras stores a lambda as base64 of marshalled CPython bytecode and does not record which Python wrote it.
``lambda_reader`` tries each version. The bytes are parsed as data (``marshal_reader``, ``code_object``). A small
set of allowed opcodes (``opcodes``) is executed symbolically (``bytecode_evaluator``), which yields an expression
in one input (``expression``); the other arguments and the free variables are the numbers that the file stores
(``argument_binding``). ``activation_patterns`` tells whether the expression is one of the known activations, and
``elementwise`` which operations it consists of if it is not.

The file holds only the names of the functions that a lambda calls; nothing here looks a function up.
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
