"""The original's answers: Keras run with the reference activations, or recorded by someone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Optional, TypeAlias

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from converter.building.dtype_policy import in_policy
from converter.building.model_builder import build
from converter.description.kinds import RECURRENT
from converter.errors import ConversionError, UnsupportedError
from converter.graph import Call, Graph, Layer, Ref
from converter.parity.probes import InputHint, Probe
from converter.parity.tolerance_settings import coarsest

Arrays = dict[str, NDArray[Any]]
Outputs: TypeAlias = tuple[tuple[str, Ref], ...]


@dataclass(frozen=True)
class Answer:
    """What the original says to one probe.

    Attributes:
        probe: The inputs.
        outputs: By public name.
        before_softmax: For outputs that a softmax makes, what goes into it.
        exact: Answers the same probe in float64, where the original computes in float32.
    """

    probe: Probe
    outputs: Arrays
    before_softmax: Arrays
    exact: Optional["Exact"] = None


class Reference:
    """The Keras model of a graph, which also says what goes into its last softmax.

    A saturated softmax hides errors: 1e-3 more or less at an input of 40 does not show. So both are compared.
    """

    def __init__(self, graph: Graph) -> None:
        self._exact = Exact(graph) if coarsest(graph) == "float32" else None
        graph, logits = _with_logits(graph)
        self._names = [name for name, _ in graph.outputs]
        self._logits = [name for name, _ in logits]
        self._model = build(graph.but(outputs=(*graph.outputs, *logits)))

    def answers(self, probes: Iterable[Probe], *, choosy: bool = False) -> list[Answer]:
        """Answer every probe.

        Args:
            probes: The inputs.
            choosy: Made inputs that the original cannot take are left out: the user's code may want others.

        Raises:
            UnsupportedError: The original cannot be run on a probe; if it is choosy, on none that was made.
        """
        answered: list[Answer] = []
        for probe in probes:
            try:
                answered.append(self._answer(probe))
            except Exception as error:
                if not choosy:
                    raise
                if not probe.made:
                    reason = str(error).strip().partition("\n")[0] or type(error).__name__
                    raise UnsupportedError(
                        f"your code cannot be run: {reason}", where=probe.distribution
                    ) from error
        if not answered:
            raise UnsupportedError(
                "cannot be run on any of the generated inputs",
                where="the model",
                hint="Give inputs of your own, with what your model answers: --samples NPZ.",
            )
        return answered

    def _answer(self, probe: Probe) -> Answer:
        values = run_model(self._model, list(probe.inputs.values()))
        count = len(self._names)
        return Answer(
            probe,
            dict(zip(self._names, values[:count], strict=True)),
            dict(zip(self._logits, values[count:], strict=True)),
            self._exact,
        )


class Exact:
    """The original computed in float64, which tells what of its float32 answer is rounding.

    Its model is built when it is asked for the first time; most proofs never ask.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def answer(self, probe: Probe) -> Answer | None:
        """The answer to a probe; None if the original cannot compute in float64."""
        try:
            return self._reference.answers([probe])[0] if self._reference else None
        except Exception:  # noqa: BLE001  the user's own code may be written for float32 alone
            return None

    @cached_property
    def _reference(self) -> Reference | None:
        try:
            return Reference(in_policy(self._graph, "float64"))
        except ConversionError:
            return None


def input_hints(graph: Graph) -> dict[str, InputHint]:
    """What the layers tell of the inputs: an Embedding's vocabulary, and that 0 marks a masked step."""
    hints: dict[str, InputHint] = {}
    for name, ref in graph.inputs:
        for call in graph.consumers(ref):
            layer = graph.layers[call.layer]
            if layer.kind == "Embedding":
                masked = bool(layer.config.get("mask_zero"))
                hints[name] = InputHint(low=0, high=int(layer.config["input_dim"]), masked=masked)
            elif layer.kind == "Masking" and not layer.config.get("mask_value"):
                hints[name] = InputHint(masked=True)
    return hints


def run_model(model: Any, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:  # noqa: ANN401  a Keras model
    """What a model whose inputs and outputs are lists answers, in inference mode.

    Raises:
        UnsupportedError: Its layers cannot compute with inputs of these sizes.
    """
    try:
        outputs = model(inputs, training=False)
    except tf.errors.InvalidArgumentError:
        raise UnsupportedError(
            f"cannot be run on a batch of {len(inputs[0])}, which its input allows",
            where="the model",
            hint="If it takes batches of one size only, say which: --batch N.",
        ) from None
    return [np.asarray(output) for output in (outputs if isinstance(outputs, list | tuple) else [outputs])]


def _with_logits(graph: Graph) -> tuple[Graph, Outputs]:
    """A graph in which each softmax that makes an output is a layer of its own, and what goes into those."""
    for _, ref in graph.outputs:
        layer = graph.layers[ref.layer]
        if layer.config.get("activation") == "softmax" and layer.kind not in {"Activation", *RECURRENT}:
            graph = _split(graph, layer)
    softmaxes = {
        name
        for name, layer in graph.layers.items()
        if layer.kind == "Softmax"
        or (layer.kind == "Activation" and layer.config.get("activation") == "softmax")
    }
    taken = {(call.layer, call.index): call.sources[0] for call in graph.calls if call.layer in softmaxes}
    logits = [(name, taken.get((ref.layer, ref.call))) for name, ref in graph.outputs]
    return graph, tuple((name, ref) for name, ref in logits if ref is not None)


def _split(graph: Graph, layer: Layer) -> Graph:
    """Let the softmax that a layer ends with follow it as a layer."""
    name = f"{layer.name}/softmax"
    while name in graph.layers:
        name += "_"
    softmax = Layer(name, "Activation", {"activation": "softmax"}, layer.policy)
    linear = layer.but(config={**layer.config, "activation": "linear"})

    def after(ref: Ref) -> Ref:
        return Ref(name, ref.call, ref.output) if ref.layer == layer.name else ref

    calls: list[Call] = []
    for call in graph.calls:
        calls.append(call.mapped(after))
        if call.layer == layer.name:
            calls.append(Call(name, call.index, (Ref(layer.name, call.index),)))
    return graph.but(
        layers={**graph.layers, layer.name: linear, name: softmax},
        calls=tuple(calls),
        outputs=tuple((public, after(ref)) for public, ref in graph.outputs),
    )


def renamed(arrays: Mapping[str, NDArray[Any]], names: Mapping[str, str]) -> Arrays:
    """Arrays under other names."""
    return {names[name]: array for name, array in arrays.items()}
