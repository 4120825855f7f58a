"""The registry of targets: names, loud failures, and nothing imported before its time."""

import subprocess
import sys

import pytest

from converter.errors import UsageError
from converter.exporters.contract import ExportOptions
from converter.exporters.target_formats import TARGETS, get_target, register


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("onnx", "digits.onnx"),
        ("tflite", "digits.tflite"),
        ("saved_model", "digits_saved_model"),
        ("keras", "digits_plain.keras"),
    ],
)
def test_an_artefact_is_named_after_its_source(target, name):
    assert get_target(target).artefact_name("digits") == name


def test_an_unknown_target_is_a_usage_error_that_lists_the_known_ones():
    with pytest.raises(UsageError, match="onnx, tflite, saved_model, keras"):
        get_target("coreml")


def test_a_target_is_registered_once():
    with pytest.raises(ValueError, match="'onnx' is registered twice"):
        register(TARGETS["onnx"])


@pytest.mark.parametrize("opset", [-1, 12, 19, 21])
def test_an_opset_out_of_range_is_a_usage_error(opset):
    with pytest.raises(UsageError, match=f"opset {opset}"):
        ExportOptions(opset=opset)


@pytest.mark.parametrize(
    ("package", "allowed"),
    [("converter.exporters.target_formats", set()), ("converter.artefacts.runtimes", {"numpy"})],
)
def test_a_registry_imports_no_framework(package, allowed):
    code = f"import sys, {package}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    heavy = {"tensorflow", "keras", "onnx", "onnxruntime", "tf2onnx", "ai_edge_litert", "numpy"}
    assert heavy & set(done.stdout.split()) <= allowed
