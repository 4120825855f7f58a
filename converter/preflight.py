"""The checks of a conversion that need no framework, made before one is started, which takes seconds."""

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from converter.archive import Archive, open_archive
from converter.description import Description, describe
from converter.errors import UnsupportedError, UsageError
from converter.evidence import gather_evidence, require_proof
from converter.exporters.target_formats import get_target
from converter.graph import Graph
from converter.options import Options
from converter.parity.samples import require_samples
from converter.publishing.destination import Destination, open_destination
from converter.user_code import UserCode


@dataclass(frozen=True)
class CheckedModel:
    """A model that passed the checks.

    Attributes:
        archive: The model's file, open.
        description: What it contains.
        destination: Where the artefacts go; it is writable.
    """

    archive: Archive
    description: Description
    destination: Destination


@contextlib.contextmanager
def preflight(source: Path, options: Options) -> Iterator[CheckedModel]:
    """Open and check a model, the user's samples and code, and the destination.

    Raises:
        ConversionError: The model cannot be read or understood, or an option does not fit it.
    """
    if options.keep_failed and options.keep_failed.exists() and not options.keep_failed.is_dir():
        raise UsageError("is not a folder", where=f"--keep-failed {options.keep_failed}")
    if options.custom_objects:
        _require_python(options.custom_objects)
    with open_archive(source, weights=options.weights) as archive:
        archive.verify()
        own_code = options.custom_objects is not None
        description = describe(archive, options.stated, options.shapes, own_code=own_code)
        _require_finite(description.graph, allowed=options.allow_nonfinite)
        _require_room(description.graph, options.targets)
        recorded = False
        if options.samples and options.parity:
            outputs = [name for name, _ in description.graph.outputs]
            recorded = require_samples(options.samples, options.expected, description.inputs, outputs)
        if options.require_proof and not (recorded or own_code):
            require_proof(gather_evidence(description, (), frozenset(), None))
        with open_destination(source, options) as destination:
            yield CheckedModel(archive, description, destination)


def weight_bytes(graph: Graph) -> int:
    """Bytes of all weights of a model."""
    weights = [weight for layer in graph.layers.values() for weight in layer.weights.values()]
    return sum(weight.size * weight.dtype.itemsize for weight in weights)


def _require_python(path: Path) -> None:
    """Check that the user's file compiles; it is run later, when the reference is built."""
    where = f"--custom-objects {path}"
    try:
        with warnings.catch_warnings(action="ignore"):  # they are shown when it is run
            compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        raise UsageError(f"line {error.lineno}: {error.msg}", where=where) from error
    except ValueError as error:
        raise UsageError(f"is not a Python file: {error}", where=where) from error
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=where) from error


def _require_room(graph: Graph, targets: Sequence[str]) -> None:
    """Refuse a model whose weights no target can hold; if some can, the others fail by themselves later."""
    size = weight_bytes(graph)
    if all((most := get_target(name).most_bytes) is not None and size > most for name in targets):
        get_target(targets[0]).require_room(size)


def _require_finite(graph: Graph, *, allowed: bool) -> None:
    if allowed:
        return
    for layer in graph.layers.values():
        of_code = [a.serialized.weights for a in layer.activations.values() if isinstance(a, UserCode)]
        for path, weight in chain.from_iterable(each.items() for each in (layer.weights, *of_code)):
            if weight.dtype.kind == "f" and not np.isfinite(weight.read()).all():
                raise UnsupportedError(
                    f"weight {path} holds NaN or infinity",
                    where=f"layer '{layer.name}'",
                    hint="Such a model is usually damaged; if the values are intended, give --allow-nonfinite.",
                )
