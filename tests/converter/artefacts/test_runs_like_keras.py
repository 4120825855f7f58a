"""What was exported answers as Keras does, before the softmax too."""

import keras
import numpy as np
import pytest

from converter.artefacts.keras import before_softmax

TARGETS = ("onnx", "tflite", "saved_model", "keras")
FLOAT32 = ("classifier", "cnn", "two_inputs", "static_batch", "free_steps", "nested")
TABLE = [
    *((case, target) for case in FLOAT32 for target in TARGETS),
    # TFLite has no float16 kernels, and no builtin for a loop of a dynamic batch.
    *((case, target) for case in ("half", "recurrent") for target in ("onnx", "saved_model", "keras")),
]

# Sums of at most 64 products of size 1, each rounded to 2^-24 relative, in another order: under 4e-6.
FLOAT32_ATOL = 1e-5
# The same with 2^-11 relative and 20 products.
FLOAT16_ATOL = 1e-2


def tolerance(case):
    return FLOAT16_ATOL if case == "half" else FLOAT32_ATOL


@pytest.mark.parametrize(("case", "target"), TABLE)
def test_it_answers_as_keras_does_for_batches_of_1_7_and_32(exported, case, target):
    it = exported(case, target)
    for batch in (1, 7, 32):
        inputs = it.inputs(batch, seed=batch)
        expected = it.reference(inputs)
        answers = it.artefact.run(inputs)
        assert answers.keys() == expected.keys()
        for name, value in expected.items():
            assert answers[name].shape == value.shape
            assert answers[name].dtype == value.dtype
            np.testing.assert_allclose(answers[name], value, rtol=0, atol=tolerance(case))


@pytest.mark.parametrize(("case", "target"), TABLE)
def test_it_states_names_shapes_and_dtypes_of_the_signature(exported, case, target):
    it = exported(case, target)
    by_name = sorted if target == "saved_model" else list
    key = {"key": lambda spec: spec.name} if target == "saved_model" else {}
    assert list(it.artefact.inputs) == by_name(it.signature.inputs, **key)
    assert list(it.artefact.outputs) == by_name(it.signature.outputs, **key)


@pytest.mark.parametrize(("case", "target"), TABLE)
def test_what_goes_into_the_softmax_is_what_goes_into_it_in_keras(exported, case, target):
    it = exported(case, target)
    inputs = it.inputs(7)
    logits = it.artefact.run_before_softmax(inputs)
    expected = before_softmax(it.model, it.signature)(list(inputs.values()))
    assert logits.keys() == expected.keys()
    for name, value in logits.items():
        np.testing.assert_allclose(value, expected[name], rtol=0, atol=tolerance(case))
        softmax = keras.ops.convert_to_numpy(keras.ops.softmax(value.astype("float32")))
        np.testing.assert_allclose(softmax, it.reference(inputs)[name], rtol=0, atol=tolerance(case))


@pytest.mark.parametrize("target", TARGETS)
def test_only_outputs_that_a_softmax_produces_have_something_before_it(exported, target):
    cnn, plain = exported("cnn", target), exported("static_batch", target)
    assert set(cnn.artefact.run_before_softmax(cnn.inputs(2))) == {"digit"}
    assert plain.artefact.run_before_softmax(plain.inputs(4)) == {}


@pytest.mark.parametrize("target", TARGETS)
def test_the_order_in_which_inputs_are_given_does_not_matter(exported, target):
    it = exported("two_inputs", target)
    inputs = it.inputs(3)
    turned = dict(reversed(inputs.items()))
    for name, value in it.artefact.run(turned).items():
        np.testing.assert_array_equal(value, it.artefact.run(inputs)[name])


@pytest.mark.parametrize("target", TARGETS)
def test_a_missing_or_foreign_input_is_refused_by_name(exported, target):
    it = exported("two_inputs", target)
    inputs = it.inputs(1)
    with pytest.raises(ValueError, match="'tokens', 'values'"):
        it.artefact.run({"tokens": inputs["tokens"]})
    with pytest.raises(ValueError, match="foreign"):
        it.artefact.run({**inputs, "foreign": inputs["values"]})
