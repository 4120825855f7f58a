"""Reshapes tensors between the shape that clients use and the shape in the model, as ``reshape`` in a config says.

dims: [3, 224, 224]  reshape { shape: [1, 3, 224, 224] }
"""

from collections.abc import Mapping, Sequence

from serving.repository.config import ModelConfig
from serving.repository.loading.config_agreement import narrowed
from serving.runtimes.runtime import FREE, Array, Runtime

Shapes = tuple[tuple[int, ...], tuple[int, ...]]
"""The sizes of a tensor before and after, without the batch; the free sizes are in the same order."""


def reshaped(runtime: Runtime, config: ModelConfig) -> Runtime:
    """The model as clients see it; the runtime itself if no tensor is reshaped."""
    if all(each.reshape is None for each in (*config.inputs, *config.outputs)):
        return runtime
    return ReshapedRuntime(runtime, config)


class ReshapedRuntime:
    """A runtime whose tensors have other shapes than the model's.

    Args:
        runtime: The runtime of the model.
        config: The config, which agrees with the model.
    """

    def __init__(self, runtime: Runtime, config: ModelConfig) -> None:
        self._runtime = runtime
        self._batch = 1 if config.max_batch_size else 0
        self._into = {each.name: (each.dims, each.model_dims) for each in config.inputs}
        self._back = {each.name: (each.model_dims, each.dims) for each in config.outputs}
        self.platform = runtime.platform
        self.inputs = narrowed(runtime.inputs, config.inputs, self._batch)
        self.outputs = narrowed(runtime.outputs, config.outputs, self._batch)
        self.steady = runtime.steady
        self.takes_empty = runtime.takes_empty
        self.signature, self.method, self.others = runtime.signature, runtime.method, runtime.others

    def infer(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        """Run the model once; see :class:`~serving.runtimes.runtime.Runtime`."""
        given = {name: self._shaped(array, self._into.get(name)) for name, array in inputs.items()}
        results = self._runtime.infer(given, outputs)
        return [
            self._shaped(array, self._back.get(name)) for name, array in zip(outputs, results, strict=True)
        ]

    def _shaped(self, array: Array, shapes: Shapes | None) -> Array:
        if shapes is None or shapes[0] == shapes[1]:
            return array
        before, after = shapes
        sizes = array.shape[self._batch :]
        free = iter([size for size, want in zip(sizes, before, strict=True) if want == FREE])
        return array.reshape(
            *array.shape[: self._batch], *(next(free) if size == FREE else size for size in after)
        )
