"""Makes the names of inputs and outputs legal in a format."""

import keyword
import re
from collections.abc import Callable, Iterable
from dataclasses import replace

from converter.signature import Signature, TensorSpec

LegalName = Callable[[str], str]

# TensorFlow passes a signature's inputs as Python keyword arguments of methods; these would clash.
_TAKEN_BY_PYTHON = frozenset({*keyword.kwlist, "self"})


def any_text(name: str) -> str:
    """Legal name in ONNX and Keras: any printable text; other characters become ``_``.

    >>> any_text("my input/1")
    'my input/1'
    """
    return "".join(c if c.isprintable() else "_" for c in name) or "_"


def argument_name(name: str) -> str:
    """Legal name in SavedModel and TFLite: ``[A-Za-z][A-Za-z0-9_]*`` and no Python keyword.

    TensorFlow itself renames any other input, and prefixes ``arg_`` if the first character is not a letter.
    Outputs follow the same rule, so that one name has one form within a format.

    >>> argument_name("my input/1"), argument_name("0x"), argument_name("class")
    ('my_input_1', 'arg_0x', 'class_')
    """
    plain = re.sub(r"[^A-Za-z0-9_]", "_", name)
    if not re.match(r"[A-Za-z]", plain):
        return f"arg_{plain}"
    return f"{plain}_" if plain in _TAKEN_BY_PYTHON else plain


def legalise(signature: Signature, legal_name: LegalName, *, shared_namespace: bool) -> Signature:
    """Rename inputs and outputs whose names are not legal; names that become equal get ``_1``, ``_2``.

    Args:
        signature: Inputs and outputs under their original names.
        legal_name: The format's rule.
        shared_namespace: Whether no output may have the name of an input, as in ONNX, where it would be that input.

    Returns:
        The signature with legal, distinct names; the same if all were legal.
    """
    inputs = _distinct(signature.inputs, legal_name, taken=())
    names = [spec.name for spec in inputs] if shared_namespace else []
    return Signature(inputs, _distinct(signature.outputs, legal_name, taken=names))


def _distinct(
    specs: tuple[TensorSpec, ...], legal_name: LegalName, taken: Iterable[str]
) -> tuple[TensorSpec, ...]:
    used = set(taken)
    renamed = []
    for spec in specs:
        name = base = legal_name(spec.name)
        count = 0
        while name in used:
            count += 1
            name = f"{base}_{count}"
        used.add(name)
        renamed.append(replace(spec, name=name))
    return tuple(renamed)
