"""Opening, checking and describing artefacts, good ones and bad ones."""

import keras
import onnx
import pytest
import tensorflow as tf
from onnx import TensorProto, helper

from converter.artefacts.runtimes import RUNTIMES, open_artefact
from converter.errors import UnsupportedError, UsageError
from converter.exporters.saved_model import write_saved_model
from converter.exporters.target_formats import TARGETS
from converter.process.framework_output import quiet
from converter.signature import Signature, TensorSpec


def test_there_is_a_runtime_for_every_target():
    assert list(RUNTIMES) == list(TARGETS)


def test_an_unknown_format_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="'coreml'"):
        open_artefact("coreml", tmp_path)


@pytest.mark.parametrize("target", RUNTIMES)
def test_a_good_artefact_passes_and_carries_its_provenance(exported, target):
    artefact = exported("classifier", target).artefact
    artefact.check()
    provenance = artefact.provenance()
    assert provenance["rewrites"] == [{"layer": "pss", "alpha": 3.0}]
    assert provenance["note"] == "ü"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("onnx", {"MatMul": 2, "Add": 2, "Mul": 2, "Softsign": 1, "Softmax": 1}),
        ("tflite", {"FULLY_CONNECTED": 2, "ABS": 1, "ADD": 1, "DIV": 1, "SOFTMAX": 1}),
        ("saved_model", {"MatMul": 2, "BiasAdd": 2, "Softsign": 1, "Softmax": 1}),
        ("keras", {"Dense": 2, "Rescaling": 2, "Activation": 1, "softsign": 1, "softmax": 1}),
    ],
)
def test_operators_are_counted(exported, target, expected):
    operators = exported("classifier", target).artefact.operators()
    assert {name: operators[name] for name in expected} == expected
    assert not operators.keys() & {"Const", "Identity", "Placeholder", "NoOp", "StatefulPartitionedCall"}


def test_operators_inside_a_loop_are_counted(exported):
    operators = exported("recurrent", "saved_model").artefact.operators()
    assert operators["While"] == 1
    assert operators["Tanh"] == 2


@pytest.mark.parametrize("target", RUNTIMES)
def test_garbage_is_refused(tmp_path, target):
    path = tmp_path / TARGETS[target].artefact_name("garbage")
    path.write_bytes(b"garbage" * 100)
    with pytest.raises(UnsupportedError, match="garbage"):
        open_artefact(target, path)


def test_an_onnx_file_with_a_foreign_operator_fails_the_check(tmp_path):
    node = helper.make_node("Mystery", ["x"], ["y"], domain="somewhere.else")
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    graph = helper.make_graph([node], "g", ends[:1], ends[1:])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("somewhere.else", 1)]
    path = tmp_path / "mystery.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    with pytest.raises(UnsupportedError, match="refused"):
        open_artefact("onnx", path).check()


def qr_model():
    x = keras.Input((3, 3), name="x")
    q = keras.layers.Lambda(lambda x: tf.raw_ops.Qr(input=x, full_matrices=False)[0], output_shape=(3, 3))
    signature = Signature(
        (TensorSpec("x", (None, 3, 3), "float32"),), (TensorSpec("q", (None, 3, 3), "float32"),)
    )
    return keras.Model([x], [q(x)]), signature


def test_a_tflite_file_with_a_flex_operator_fails_the_check(tmp_path):
    with quiet():
        write_saved_model(*qr_model(), tmp_path / "saved")
        converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "saved"))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.SELECT_TF_OPS]
        (tmp_path / "flex.tflite").write_bytes(converter.convert())
    with pytest.raises(UnsupportedError, match="FlexQr"):
        open_artefact("tflite", tmp_path / "flex.tflite").check()


def test_a_saved_model_without_the_signature_is_refused(tmp_path):
    with quiet():
        tf.saved_model.save(tf.Module(), str(tmp_path / "empty"))
    with pytest.raises(UnsupportedError, match="serving_default"):
        open_artefact("saved_model", tmp_path / "empty")


def test_a_keras_file_with_a_lambda_is_refused(tmp_path):
    x = keras.Input((3,))
    keras.Model(x, keras.layers.Lambda(lambda x: x)(x)).save(tmp_path / "lambda.keras")
    with pytest.raises(UnsupportedError, match="safe mode"):
        open_artefact("keras", tmp_path / "lambda.keras")


def test_an_artefact_from_elsewhere_has_no_provenance(tmp_path):
    x = keras.Input((3,), name="x")
    model = keras.Model(x, keras.layers.Dense(2, name="y")(x))
    with quiet():  # Keras trips over a deprecation of numpy's
        model.save(tmp_path / "bare.keras")
    artefact = open_artefact("keras", tmp_path / "bare.keras")
    assert artefact.provenance() == {}
    assert [spec.name for spec in artefact.outputs] == ["y"]
