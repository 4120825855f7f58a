"""Runs the original in Keras, with the reference activations."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Optional, TypeAlias

from numpy.typing import NDArray

from converter.building.dtype_policy import in_policy
from converter.building.model_builder import build
from converter.description.supported_layers import RECURRENT
from converter.errors import ConversionError, UnsupportedError
from converter.graph import Call, Graph, Layer, Ref
from converter.parity.model_runner import Run, runner
from converter.parity.probes import InputHint, Probe
from converter.parity.tolerance_settings import coarsest

Arrays = dict[str, NDArray[Any]]
Outputs: TypeAlias = tuple[tuple[str, Ref], ...]


@dataclass(frozen=True)
class Answer:
    """The outputs of the original for one probe.

    Attributes:
        probe: The inputs.
        outputs: The outputs by public name.
        before_softmax: For each output that a softmax produces, the input of the softmax.
        exact: Runs the same probe in float64, if the original computes in float32.
    """

    probe: Probe
    outputs: Arrays
    before_softmax: Arrays
    exact: Optional["Exact"] = None


class Reference:
    """The Keras model of a graph, which also returns the input of its last softmax.

    A saturated softmax hides errors: 1e-3 more or less at an input of 40 is not visible. So both are compared.
    """

    def __init__(self, graph: Graph) -> None:
        self._exact = Exact(graph) if coarsest(graph) == "float32" else None
        graph, logits = _with_logits(graph)
        self._names = [name for name, _ in graph.outputs]
        self._logits = [name for name, _ in logits]
        self._graph = graph.but(outputs=(*graph.outputs, *logits))
        self._model = build(self._graph)

    def answers(self, probes: Iterable[Probe], *, skip_refused: bool = False) -> list[Answer]:
        """Run the original on every probe.

        Args:
            probes: The inputs.
            skip_refused: Leave out generated inputs that the original does not take: the user's code may need others.

        Raises:
            UnsupportedError: The original cannot be run on a probe; with ``skip_refused``, on a sample of the user or
                on any probe at all.
        """
        probes, answered = list(probes), list[Answer]()
        run = runner(self._model, self._graph, len(probes))
        for probe in probes:
            try:
                answered.append(self._answer(probe, run))
            except Exception as error:
                if not skip_refused:
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

    def _answer(self, probe: Probe, run: Run) -> Answer:
        values = run([*probe.inputs.values()])
        count = len(self._names)
        return Answer(
            probe,
            dict(zip(self._names, values[:count], strict=True)),
            dict(zip(self._logits, values[count:], strict=True)),
            self._exact,
        )


class Exact:
    """The original computed in float64, which shows the rounding error of its float32 outputs.

    Its model is built when it is first needed; most proofs do not need it.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def answer(self, probe: Probe) -> Answer | None:
        """Run the original on a probe; None if it cannot compute in float64."""
        try:
            return self._reference.answers([probe])[0] if self._reference else None
        except Exception:  # noqa: BLE001  the user's own code may work in float32 only
            return None

    @cached_property
    def _reference(self) -> Reference | None:
        try:
            return Reference(in_policy(self._graph, "float64"))
        except ConversionError:
            return None


def input_hints(graph: Graph) -> dict[str, InputHint]:
    """What the layers say about the inputs: the vocabulary of an Embedding, and that 0 marks a masked step."""
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


def _with_logits(graph: Graph) -> tuple[Graph, Outputs]:
    """A graph in which each softmax that produces an output is a layer of its own, and the inputs of these."""
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
    """Make the softmax at the end of a layer a layer of its own, behind it."""
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
