"""A runtime that nobody holds is gone at once: waiting for the collector of cycles would keep its weights."""

import gc
import weakref
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from serving.runtimes.onnx import OnnxRuntime
from serving.runtimes.tflite import TfliteRuntime

DATA = Path(__file__).parents[1] / "data"


def affine(onnx_models, file):
    file.write_bytes(onnx_models.affine())
    return OnnxRuntime(file), np.ones((1, 3), np.float32)


def bfloat16(onnx_models, file):
    file.write_bytes(onnx_models.identity(TensorProto.BFLOAT16, ["batch", 2]))
    return OnnxRuntime(file), np.ones((1, 2), np.uint16)


def tflite(_onnx_models, _file):
    return TfliteRuntime(DATA / "affine.tflite"), np.ones((1, 3), np.float32)


def signatures(_onnx_models, _file):
    return TfliteRuntime(DATA / "signatures.tflite"), np.ones((1, 3), np.float32)


@pytest.mark.parametrize("make", [affine, bfloat16, tflite, signatures])
def test_a_runtime_that_ran_is_freed_without_the_collector(make, onnx_models, tmp_path):
    runtime, x = make(onnx_models, tmp_path / "model.onnx")
    assert len(runtime.infer({"x": x}, ["y"])) == 1
    seen = weakref.ref(runtime)
    gc.disable()
    try:
        del runtime
        assert seen() is None
    finally:
        gc.enable()
