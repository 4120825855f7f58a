"""Names that formats cannot hold."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.artefacts.runtimes import open_artefact
from converter.exporters.naming import any_text, argument_name, legalise
from converter.exporters.target_formats import get_target
from converter.signature import Signature, TensorSpec

AWKWARD = ["my input/1", "ü", "0x", "_x", "class", "self", "a:0", "a.b-c", "x y", "x/y", "MatMul_0", "输入"]


@pytest.mark.parametrize(
    ("name", "legal"),
    [
        ("plain_1", "plain_1"),
        ("my input/1", "my_input_1"),
        ("ü", "arg__"),
        ("0x", "arg_0x"),
        ("_x", "arg__x"),
        ("class", "class_"),
        ("self", "self_"),
        ("a:0", "a_0"),
        ("", "arg_"),
    ],
)
def test_tensorflow_gets_identifiers(name, legal):
    assert argument_name(name) == legal


@pytest.mark.parametrize(
    ("name", "legal"), [("my input/1", "my input/1"), ("ü", "ü"), ("a\nb\0", "a_b_"), ("", "_")]
)
def test_onnx_holds_any_printable_text(name, legal):
    assert any_text(name) == legal


@given(st.text(max_size=20))
def test_legal_names_are_fixed_points(name):
    for legal_name in (any_text, argument_name):
        assert legal_name(legal_name(name)) == legal_name(name)


def spec(name):
    return TensorSpec(name, (None, 2), "float32")


def test_names_that_become_one_are_numbered():
    signature = Signature((spec("a b"), spec("a/b"), spec("a_b_1")), (spec("a b"),))
    legal = legalise(signature, argument_name, shared_namespace=False)
    assert [s.name for s in legal.inputs] == ["a_b", "a_b_1", "a_b_1_1"]
    assert [s.name for s in legal.outputs] == ["a_b"]


def test_in_onnx_an_output_cannot_have_the_name_of_an_input():
    signature = Signature((spec("x"),), (spec("x"), spec("y")))
    assert [s.name for s in get_target("onnx").legalise(signature).outputs] == ["x_1", "y"]
    assert get_target("tflite").legalise(signature) == signature


def test_a_name_that_was_not_made_legal_is_refused(export):
    x = keras.Input((2,))
    model = keras.Model([x], [keras.layers.Dense(1)(x)])
    with pytest.raises(ValueError, match="cannot hold"):
        export(model, "tflite", Signature((spec("a b"),), (spec("y"),)))


@pytest.fixture(scope="module")
def many_ends():
    inputs = [keras.Input((2,)) for _ in AWKWARD]
    outputs = [keras.layers.Rescaling(float(i + 1))(x) for i, x in enumerate(inputs)]
    return keras.Model(inputs, outputs)


@pytest.mark.parametrize("target", ["onnx", "tflite", "saved_model", "keras"])
def test_every_format_keeps_legal_names_and_what_they_stand_for(export, many_ends, target):
    specs = tuple(spec(name) for name in AWKWARD)
    signature = get_target(target).legalise(Signature(specs, specs))
    artefact = open_artefact(target, export(many_ends, target, signature))
    artefact.check()
    assert {s.name for s in artefact.inputs} == {s.name for s in signature.inputs}
    inputs = {s.name: np.full((3, 2), 10.0**-i, np.float32) for i, s in enumerate(signature.inputs)}
    answers = artefact.run(inputs)
    assert answers.keys() == {s.name for s in signature.outputs}
    for i, (source, result) in enumerate(zip(signature.inputs, signature.outputs, strict=True)):
        np.testing.assert_allclose(answers[result.name], (i + 1) * inputs[source.name], rtol=1e-6)
