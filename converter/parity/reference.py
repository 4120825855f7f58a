"""The original's answers: Keras run with the reference activations, or recorded by someone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.build import build
from converter.graph import Graph, Layer, Ref
from converter.parity.probes import InputHint, Probe

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Answer:
    """What the original says to one probe.

    Attributes:
        probe: The inputs.
        outputs: By public name.
        before_softmax: For outputs that a softmax makes, what goes into it.
    """

    probe: Probe
    outputs: Arrays
    before_softmax: Arrays


class Reference:
    """The Keras model of a graph, with and without its last softmax.

    A saturated softmax hides errors: 1e-3 more or less at an input of 40 does not show. So both are compared.
    """

    def __init__(self, graph: Graph) -> None:
        logits = _without_softmax(graph)
        self._names = [name for name, _ in graph.outputs]
        self._logits = [name for name, _ in logits.outputs]
        self._model = build(graph)
        self._before = build(logits) if logits.outputs else None

    def answers(self, probes: Iterable[Probe]) -> list[Answer]:
        """Answer every probe."""
        return [self._answer(probe) for probe in probes]

    def _answer(self, probe: Probe) -> Answer:
        inputs = list(probe.inputs.values())
        outputs = dict(zip(self._names, _run(self._model, inputs), strict=True))
        before = dict(zip(self._logits, _run(self._before, inputs), strict=True)) if self._before else {}
        return Answer(probe, outputs, before)


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


def _run(model: Any, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:  # noqa: ANN401  a Keras model
    outputs = model(inputs, training=False)
    return [np.asarray(output) for output in (outputs if isinstance(outputs, list | tuple) else [outputs])]


def _without_softmax(graph: Graph) -> Graph:
    """The graph with just those outputs that a softmax makes, taken before it."""
    outputs: list[tuple[str, Ref]] = []
    layers: dict[str, Layer] = dict(graph.layers)
    for name, ref in graph.outputs:
        layer = graph.layers[ref.layer]
        if layer.kind == "Softmax" or (
            layer.kind == "Activation" and layer.config.get("activation") == "softmax"
        ):
            call = next(call for call in graph.calls_of(ref.layer) if call.index == ref.call)
            outputs.append((name, call.sources[0]))
        elif layer.config.get("activation") == "softmax" and not graph.consumers(ref):
            layers[ref.layer] = layer.but(config={**layer.config, "activation": "linear"})
            outputs.append((name, ref))
    return graph.but(layers=layers, outputs=tuple(outputs))


def renamed(arrays: Mapping[str, NDArray[Any]], names: Mapping[str, str]) -> Arrays:
    """Arrays under other names."""
    return {names[name]: array for name, array in arrays.items()}
