"""Exports each activation alone and compares it with its formula, on tails that whole-model inputs do not reach."""

import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.activations import Activation
from converter.artefacts.runtimes import open_artefact
from converter.building.model_builder import build, signature
from converter.building.target_dtype import for_target
from converter.dtypes import float_range
from converter.exporters.contract import ExportOptions
from converter.exporters.target_formats import get_target
from converter.graph import Call, Graph, Layer, Ref
from converter.lowering.lower import lower
from converter.parity.activation_probe import activation_inputs, where_denormals_matter
from converter.parity.metrics import Comparison
from converter.parity.model_proof import prove
from converter.parity.probes import Probe
from converter.parity.reference import Reference
from converter.parity.tolerance import default_tolerance
from converter.parity.tolerance_settings import ToleranceSettings
from converter.user_code import UserCode

# XNNPACK, which runs TFLite models, returns NaN for sigmoid(z) from about |z| = 1e27 on; no useful model gets
# there. The probes of a TFLite artefact end before it, and the documentation says so.
_RUNTIME_ENDS = {"tflite": 1e25}
_COMPUTE = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}


def prove_activations(
    graph: Graph, target: str, options: ExportOptions, tolerances: ToleranceSettings
) -> dict[str, Comparison]:
    """Export each activation of a graph alone, and compare it with its formula, tails included.

    The user's code is left out: it has no formula whose tails are known, and is compared in the whole model.

    Returns:
        Metrics by formula.
    """
    alone = {
        (activation, part.policy): part.policy
        for layer in graph.layers.values()
        for part in layer.with_parts()
        for activation in part.activations.values()
        if not isinstance(activation, UserCode)
    }
    return {
        activation.formula: _prove_alone(activation, policy, target, options, tolerances)
        for activation, policy in alone
    }


def _prove_alone(
    activation: Activation, policy: str, target: str, options: ExportOptions, tolerances: ToleranceSettings
) -> Comparison:
    dtype = _COMPUTE.get(policy, policy)
    channels = max((len(v) for v in vars(activation).values() if isinstance(v, tuple)), default=1)
    graph = _alone(activation, policy, dtype, channels)
    points = _points(activation, dtype, target)
    inputs: NDArray[Any] = np.repeat(points[:, None], channels, axis=1)
    answers = Reference(graph).answers([Probe("tails", "the activation's tails", {"x": inputs})])
    exporter = get_target(target)
    plain = lower(for_target(exporter, graph)[0]).graph
    model = build(plain)
    legal = exporter.legalise(signature(plain, model))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / exporter.artefact_name("activation")
        exporter.export(model, legal, path, {}, options)
        proof = prove(open_artefact(target, path), answers, legal, legal, tolerances, {})
    return proof.outputs["y"]


def _points(activation: Activation, dtype: str, target: str) -> NDArray[Any]:
    """The points at which an activation is compared: its tails, up to the limit of the formula or of the runtime.

    Points where rounding or denormals determine the answer are left out, unless that is all of them.
    """
    limit = activation.largest_input(float_range(dtype).largest)
    limit = min(limit, _RUNTIME_ENDS.get(target, math.inf) / activation.scale)
    points = activation_inputs(activation.scale, dtype, limit)
    points = points[~where_denormals_matter(points, _numbers(activation))]
    uncertain = activation.uncertainty(points)
    if not uncertain.any():
        return points
    tolerance, answer = default_tolerance(dtype), np.abs(activation.evaluate(points.astype(np.float64)))
    small = (uncertain <= tolerance.atol) | (uncertain <= tolerance.rtol * answer)
    steady = small & np.isfinite(uncertain)
    return points[steady] if steady.any() else points


def _numbers(activation: Activation) -> list[float]:
    numbers = [value for value in vars(activation).values() if isinstance(value, float | int | tuple)]
    return [float(number) for value in numbers for number in np.ravel(value)]


def _alone(activation: Activation, policy: str, dtype: str, channels: int) -> Graph:
    return Graph(
        "activation",
        {
            "x": Layer("x", "InputLayer", {"batch_shape": [None, channels], "dtype": dtype}),
            "y": Layer("y", "Activation", policy=policy, activations={"activation": activation}),
        },
        (Call("y", 0, (Ref("x"),)),),
        (("x", Ref("x")),),
        (("y", Ref("y")),),
    )
