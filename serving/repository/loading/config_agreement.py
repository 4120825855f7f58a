"""Checks that the tensors in a config agree with those of the model.

A declared size may be stricter than the model's (5 where the model takes any), but not different, nor freer.
"""

from collections.abc import Sequence
from dataclasses import replace

from serving.errors import ModelLoadError
from serving.repository.config import ModelConfig, TensorConfig, takes_any_batch
from serving.runtimes.runtime import FREE, Runtime, TensorSpec

BACKENDS = {
    "onnxruntime_onnx": ("onnxruntime",),
    "tensorflowlite": ("tflite", "tensorflowlite", "tensorflow_lite"),
    "tensorflow_savedmodel": ("tensorflow",),
}
"""The names of the backend that a config may use, for each platform."""


def check(config: ModelConfig, name: str, runtime: Runtime) -> None:
    """Check a config against the model in its folder.

    Raises:
        ModelLoadError: They disagree; the text says where.
    """
    if config.name not in ("", name):
        raise ModelLoadError(f"its config is named '{config.name}' and lies in the folder '{name}'")
    _check_platform(config, runtime.platform)
    batch = config.max_batch_size or 0
    if batch and not takes_any_batch(runtime):
        raise ModelLoadError(
            f"its config says max_batch_size {batch}, and the model's first dimension is not free; say 0"
        )
    for kind, declared, actual in (
        ("input", config.inputs, runtime.inputs),
        ("output", config.outputs, runtime.outputs),
    ):
        _check_tensors(kind, declared, actual, batched=batch > 0)


def narrowed(
    specs: Sequence[TensorSpec], declared: Sequence[TensorConfig], max_batch_size: int
) -> tuple[TensorSpec, ...]:
    """The specs, with the sizes that the config declares where the model leaves them free."""
    dims = {each.name: each.dims for each in declared}
    batch = (FREE,) if max_batch_size else ()
    return tuple(
        replace(spec, shape=(*batch, *dims[spec.name]), any_rank=False) if spec.name in dims else spec
        for spec in specs
    )


def _check_platform(config: ModelConfig, platform: str) -> None:
    if config.platform not in ("", platform):
        raise ModelLoadError(f"its config says platform '{config.platform}', and the model is '{platform}'")
    backends = BACKENDS.get(platform, ())
    if config.backend and config.backend not in backends:
        raise ModelLoadError(
            f"its config says backend '{config.backend}', and the model needs '{' or '.join(backends)}'"
        )


def _check_tensors(
    kind: str, declared: Sequence[TensorConfig], actual: Sequence[TensorSpec], *, batched: bool
) -> None:
    specs = {spec.name: spec for spec in actual}
    for each in declared:
        spec = specs.get(each.name)
        if spec is None:
            raise ModelLoadError(
                f"its config declares the {kind} '{each.name}', and the model has {', '.join(specs)}"
            )
        if each.datatype != spec.datatype:
            raise ModelLoadError(
                f"its config declares the {kind} '{each.name}' as {each.datatype}, "
                f"and the model has {spec.datatype}"
            )
        shape = None if spec.any_rank else spec.shape[1:] if batched else spec.shape
        _check_sizes(kind, each, shape, batched=batched)
    missing = sorted(set(specs) - {each.name for each in declared}) if declared and kind == "input" else []
    if missing:
        raise ModelLoadError(f"its config lacks the {kind} {', '.join(missing)} of the model")


def _check_sizes(kind: str, declared: TensorConfig, shape: Sequence[int] | None, *, batched: bool) -> None:
    """Check declared sizes against the shape of the model; None for a model that takes any shape."""
    dims, what = declared.model_dims, f"its config declares the {kind} '{declared.name}' with"
    if shape is not None and (
        len(dims) != len(shape)
        or any(
            want != size if want < 1 else size not in (FREE, want)
            for want, size in zip(dims, shape, strict=True)
        )
    ):
        field = "dims" if declared.reshape is None else "the reshape"
        without = " without the batch" if batched else ""
        raise ModelLoadError(f"{what} {field} {list(dims)}, and the model has {list(shape)}{without}")
    if any(size < 0 and size != FREE for size in declared.dims) or _between_free(dims) != _between_free(
        declared.dims
    ):
        raise ModelLoadError(
            f"{what} dims {list(declared.dims)}, of which the reshape {list(dims)} cannot be made: the sizes "
            "before, between and after each -1, multiplied, must be equal"
        )


def _between_free(sizes: Sequence[int]) -> list[int]:
    """The products of the sizes before, between and after the free ones."""
    products = [1]
    for size in sizes:
        if size == FREE:
            products.append(1)
        else:
            products[-1] *= size
    return products
