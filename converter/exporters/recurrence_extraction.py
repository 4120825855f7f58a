"""Extracts recurrent layers from a trace, before TensorFlow makes loops of them.

    x -> LSTM -> y -> Dense        x -> read            given -> y -> Dense
    one function             ->    one function with more outputs and more arguments

The inputs of a layer become outputs of the function, and its outputs become arguments. The exporter connects them
again in the graph of the format, by an operator of that format. TensorFlow's loops, which keep the steps in lists of
tensors, are never made.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf
from keras import tree

from converter.exporters.recurrence import Recurrence, Tensor, cell_step

Answer = tuple[Tensor, Tensor, Any]
InnerLoop = Callable[[keras.layers.RNN, Tensor, Any, Tensor | None], Answer | None]

_OUTPUT_IS_STATE = (keras.layers.LSTMCell, keras.layers.GRUCell, keras.layers.SimpleRNNCell)
"""Cells whose output is their first state."""


def extract_recurrences(
    serve: Any,  # noqa: ANN401  a tf.function
    specs: list[tf.TensorSpec],
    is_extractable: Callable[[Recurrence], bool],
) -> tuple[Any, list[tf.TensorSpec], list[Recurrence]]:
    """Extract recurrent layers from a function.

    Args:
        serve: Takes positional tensors, and returns a dictionary.
        specs: Specification of its arguments.
        is_extractable: Whether to extract a layer. A layer within another function, as in ``TimeDistributed``, is
            never extracted: its inputs cannot leave that function.

    Returns:
        The function, with the outputs of the layers as further arguments and the inputs of the layers as further
        outputs; the specification of its arguments; the extracted layers.
    """
    calls = _survey(serve, specs, is_extractable)
    found = [call for call in calls if call]
    if not found:
        return serve, specs, found
    given = [
        tf.TensorSpec(spec.shape, spec.dtype, each.output_name(role))
        for each in found
        for role, spec in each.output_specs.items()
    ]

    @tf.function(autograph=False)  # type: ignore[untyped-decorator, unused-ignore]
    def cut(*tensors: Tensor) -> dict[str, Tensor]:
        values = {spec.name: value for spec, value in zip(given, tensors[len(specs) :], strict=True)}
        rest, read = iter(calls), {}

        def answer(layer: keras.layers.RNN, x: Tensor, states: Any, mask: Tensor | None) -> Answer | None:  # noqa: ANN401
            recurrence = next(rest)
            if recurrence is None:
                return None
            read.update(_inputs(recurrence, layer, x, states, mask))
            return _outputs(recurrence, values)

        with _inner_loops(answer):
            outputs = serve.python_function(*tensors[: len(specs)])
        return {**outputs, **read}

    return cut, [*specs, *given], found


def _survey(
    serve: Any,  # noqa: ANN401  a tf.function
    specs: list[tf.TensorSpec],
    is_extractable: Callable[[Recurrence], bool],
) -> list[Recurrence | None]:
    """The calls of recurrent layers in the order in which they are traced; None for one that is not extracted."""
    calls: list[Recurrence | None] = []

    @tf.function(autograph=False)  # type: ignore[untyped-decorator, unused-ignore]
    def survey(*tensors: Tensor) -> Any:  # noqa: ANN401  as serve
        def note(layer: keras.layers.RNN, x: Tensor, states: Any, mask: Tensor | None) -> Answer | None:  # noqa: ANN401
            recurrence = _described(f"recurrence_{len(calls)}", layer, x, states, mask)
            calls.append(recurrence if is_extractable(recurrence) else None)
            if calls[-1] is None:
                return None
            made = {
                recurrence.output_name(role): tf.compat.v1.placeholder(spec.dtype, spec.shape)
                for role, spec in recurrence.output_specs.items()
            }
            return _outputs(recurrence, made)

        with _inner_loops(note):
            return serve.python_function(*tensors)

    survey.get_concrete_function(*specs)
    return calls


@contextmanager
def _inner_loops(replaced: InnerLoop) -> Iterator[None]:
    """Replace Keras's loop over steps in this block, wherever ``replaced`` does not return None."""
    original = keras.layers.RNN.inner_loop
    graph = tf.compat.v1.get_default_graph()

    def inner_loop(
        layer: keras.layers.RNN,
        sequences: Tensor,
        initial_state: Any,  # noqa: ANN401  nested tensors
        mask: Any,  # noqa: ANN401  a tensor, or a list of them
        training: bool = False,  # noqa: FBT001, FBT002  as Keras's
    ) -> Answer:
        answer = None
        if tf.compat.v1.get_default_graph() is graph and not tree.is_nested(sequences):
            states = (
                initial_state if tree.is_nested(initial_state) else [initial_state]
            )  # GRU passes its only state
            answer = replaced(layer, sequences, states, mask[0] if tree.is_nested(mask) else mask)
        return answer or original(layer, sequences, initial_state, mask, training=training)

    keras.layers.RNN.inner_loop = inner_loop
    try:
        yield
    finally:
        keras.layers.RNN.inner_loop = original


def _described(
    name: str,
    layer: keras.layers.RNN,
    sequences: Tensor,
    states: Any,  # noqa: ANN401  nested tensors
    mask: Tensor | None,
) -> Recurrence:
    output, _ = cell_step(layer, sequences[:, 0], states)
    return Recurrence(
        name=name,
        layer=layer,
        x=_spec(sequences[:, 0]),
        masked=mask is not None,
        states=tree.map_structure(_spec, states),
        output=_spec(output),
        from_zero=all(map(_is_zero, tree.flatten(states))),
    )


def _inputs(
    recurrence: Recurrence,
    layer: keras.layers.RNN,
    sequences: Tensor,
    states: Any,  # noqa: ANN401  nested tensors
    mask: Tensor | None,
) -> dict[str, Tensor]:
    tensors = dict(zip(recurrence.state_names, tree.flatten(states), strict=True))
    tensors["x"] = _steps(sequences, layer)
    if mask is not None:
        while len(mask.shape) < len(recurrence.output.shape) + 1:  # so that it broadcasts with the outputs
            mask = mask[..., None]
        tensors["mask"] = _steps(tf.cast(mask, tf.bool), layer)
    if recurrence.carries_output:
        sizes = [tf.shape(sequences)[0] if size is None else size for size in recurrence.output.shape]
        tensors["last"] = tf.zeros(sizes, recurrence.output.dtype)
    return {recurrence.input_name(role): tf.identity(tensors[role]) for role in recurrence.input_roles}


def _outputs(recurrence: Recurrence, values: Mapping[str, Tensor]) -> Answer:
    of = {role: values[recurrence.output_name(role)] for role in recurrence.output_specs}
    states = [of[name] for name in recurrence.state_names]
    if recurrence.carries_output:
        last = of["last"]
    elif not recurrence.masked and type(recurrence.layer.cell) in _OUTPUT_IS_STATE:
        last = states[0]
    else:
        last = of["outputs"][-1]
    return last, _swapped(of["outputs"]), tree.pack_sequence_as(recurrence.states, states)


def _steps(sequences: Tensor, layer: keras.layers.RNN) -> Tensor:
    """The sequences with time first, in the order in which the layer takes the steps."""
    first = _swapped(sequences)
    return first[::-1] if layer.go_backwards else first


def _swapped(tensor: Tensor) -> Tensor:
    """The tensor with batch and time swapped."""
    return tf.transpose(tensor, [1, 0, *range(2, len(tensor.shape))])


def _spec(tensor: Tensor) -> tf.TensorSpec:
    return tf.TensorSpec(tensor.shape, tensor.dtype)


def _is_zero(tensor: Tensor) -> bool:
    """Whether a tensor is a constant of zeros, such as a default state."""
    if not tf.is_symbolic_tensor(tensor):
        return False
    operation = tensor.op
    while operation.type in {"Identity", "Cast", "StopGradient"}:
        operation = operation.inputs[0].op
    value = tf.get_static_value(operation.inputs[1] if operation.type == "Fill" else operation.outputs[0])
    return value is not None and not value.any()
