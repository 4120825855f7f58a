"""Runs a Keras model on several batches, as a TensorFlow graph where that is faster and gives the same outputs.

Without a graph, Python calls each layer, and each step of a recurrent layer, for every batch; a graph is up to twenty
times faster. Both call the same kernels in the same order, so the outputs are equal bit by bit: the graph is not
optimized, because the optimizer replaces a division by a constant with a multiplication, for example.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from converter.building.custom_layers import AsWritten
from converter.errors import UnsupportedError
from converter.graph import Graph
from converter.user_code import USER_CODE, UserCode

Run: TypeAlias = Callable[[Sequence[NDArray[Any]]], list[NDArray[Any]]]

_TRACING = 4
"""Tracing takes about as long as this many runs without a graph."""


def runner(model: keras.Model, graph: Graph, runs: int) -> Run:
    """Return a function that runs a model in inference mode.

    Args:
        model: Its inputs and outputs are lists.
        graph: What it was built from.
        runs: How often it is going to be run.

    Returns:
        A function from the inputs to the outputs. It raises UnsupportedError if the layers cannot compute with inputs
        of these sizes.
    """
    call = _called if runs <= _TRACING or _runs_user_code(graph) else _traced
    function = call(model)

    def run(inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        try:
            outputs = function(list(inputs))
        except tf.errors.InvalidArgumentError:
            raise UnsupportedError(
                f"cannot be run on a batch of {len(inputs[0])}, which its input allows",
                where="the model",
                hint="If it takes batches of one size only, say which: --batch N.",
            ) from None
        return [np.asarray(output) for output in keras.tree.flatten(outputs)]

    return run


def _called(model: keras.Model) -> Callable[[list[Any]], Any]:
    return lambda inputs: model(inputs, training=False)


def _traced(model: keras.Model) -> Callable[[list[Any]], Any]:
    specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in model.inputs]

    @tf.function(autograph=False, input_signature=specs)  # type: ignore[untyped-decorator, unused-ignore]
    def function(*inputs: tf.Tensor) -> Any:  # noqa: ANN401  tensors
        return model([*inputs], training=False)

    def run(inputs: list[Any]) -> Any:  # noqa: ANN401  tensors
        given = (tf.convert_to_tensor(array, spec.dtype) for array, spec in zip(inputs, specs, strict=True))
        with _not_optimized():
            return function(*given)

    return run


@contextmanager
def _not_optimized() -> Iterator[None]:
    """Run graphs as they were traced."""
    name = "disable_meta_optimizer"
    before = tf.config.optimizer.get_experimental_options().get(name, False)
    tf.config.optimizer.set_experimental_options({name: True})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({name: before})


def _runs_user_code(graph: Graph) -> bool:
    """Whether there is code in a model that may do something else when it is traced."""
    return any(
        part.kind == USER_CODE
        or any(isinstance(each, UserCode | AsWritten) for each in part.activations.values())
        for layer in graph.layers.values()
        for part in layer.with_parts()
    )
