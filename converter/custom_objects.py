"""``--custom-objects FILE.py``: the user's own classes and functions as the reference.

The file is the user's and is run; nothing of the model file is. A class that the model names is made from the
options and weights that are stored for it, a function is called as it stands. Comparing an artefact with them
proves that a class called ``PSSLayer`` computes what was assumed from its name.
"""

import runpy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from converter.activations import Activation
from converter.errors import UnsupportedError, UsageError
from converter.graph import Graph, Layer, Original

Namespace = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class AsWritten:
    """Stands for an activation in a reference graph: computed by the user's own code.

    Attributes:
        activation: What it is taken to compute.
        original: What the file says of it.
        code: The user's class or function.
    """

    activation: Activation
    original: Original
    code: Any

    def instance(self, **common: Any) -> keras.layers.Layer:  # noqa: ANN401  arguments of a layer
        """A layer that runs the user's code.

        Raises:
            UnsupportedError: The user's class refuses the options that are stored for it.
        """
        if self.original.config is None:
            return _wrapped(self.code, {}, **common)
        try:
            made = self.code.from_config({**self.original.config, **common})
        except Exception as error:
            raise UnsupportedError(
                f"your class '{self.original.name}' refuses its stored options: {error}"
            ) from error
        return _wrapped(made, self.original.weights, **common)


def load(path: Path) -> Namespace:
    """Run a Python file and return what it defines.

    Raises:
        UsageError: It raises.
    """
    try:
        return runpy.run_path(str(path))
    except Exception as error:
        raise UsageError(
            f"raised {type(error).__name__}: {error}", where=f"--custom-objects {path}"
        ) from error


def as_written(graph: Graph, namespace: Namespace) -> Graph:
    """The graph with the user's code in place of each activation whose name the namespace defines.

    Raises:
        UsageError: It defines none of them.
    """
    parts = [part for layer in graph.layers.values() for part in layer.with_parts()]
    named = {original.name for part in parts for original in part.originals.values()}
    if not named & namespace.keys():
        names = ", ".join(sorted(named)) or "no class or function of its own"
        raise UsageError(
            "--custom-objects defines nothing that the model names", hint=f"The model names: {names}."
        )
    layers = {name: _replaced(layer, namespace) for name, layer in graph.layers.items()}
    return graph.but(layers=layers)


def _replaced(layer: Layer, namespace: Namespace) -> Layer:
    own = {
        key: AsWritten(layer.activations[key], each, namespace[each.name])
        for key, each in layer.originals.items()
        if each.name in namespace
    }
    changed = layer.map_parts(lambda part: _replaced(part, namespace))
    # Whether a mask passes is then for the user's class to say.
    stops_mask = layer.stops_mask and not own
    return changed.but(activations={**layer.activations, **own}, stops_mask=stops_mask)


def _wrapped(code: Any, weights: Mapping[str, Any], **common: Any) -> keras.layers.Layer:  # noqa: ANN401  user's code
    """A layer around code that need not be traceable, such as a function that uses numpy.

    The code is held in a closure: Keras would count its weights as ones that the model file must fill.
    """

    class Wrapped(keras.layers.Layer):
        def build(self, input_shape: tuple[int | None, ...]) -> None:
            if weights and not getattr(code, "built", True):
                code.build(input_shape)
            if weights:
                code.load_own_variables(
                    {path.rpartition("/")[2]: each.read() for path, each in weights.items()}
                )

        def compute_output_spec(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
            return keras.KerasTensor(inputs.shape, self.compute_dtype)

        def call(self, inputs: Any) -> Any:  # noqa: ANN401  tensors
            return keras.ops.convert_to_tensor(code(inputs))

    made = Wrapped(**common)
    made.supports_masking = bool(getattr(code, "supports_masking", False))
    return made
