"""Which operators the artefacts of the example models are made of."""

import pytest

from converter.artefacts.runtimes import open_artefact
from converter.options import Options
from converter.pipeline import convert


def operators(converted, model, target):
    outcome = next(each for each in converted(model).outcomes if each.target == target)
    return open_artefact(target, outcome.path).operators()


def unfolded(models, tmp_path, model):
    conversion = convert(models / model, Options(("onnx",), tmp_path, fold=False), str.lower)
    assert conversion.outcomes[0].error is None
    return open_artefact("onnx", conversion.outcomes[0].path).operators()


def test_scale_of_pss_is_folded_away(converted):
    assert operators(converted, "mnist_pss.keras", "onnx") == {
        "MatMul": 2,
        "Add": 2,
        "Sigmoid": 1,
        "Softmax": 1,
    }


def test_both_scales_of_rational_ss_are_folded_away(converted):
    assert operators(converted, "mnist_rational_ss.keras", "onnx") == {
        "MatMul": 2,
        "Add": 2,
        "Softsign": 1,
        "Softmax": 1,
    }


@pytest.mark.parametrize(("model", "scales"), [("mnist_pss.keras", 1), ("mnist_rational_ss.keras", 2)])
def test_no_fold_keeps_each_scale_as_an_operator(models, tmp_path, model, scales):
    assert unfolded(models, tmp_path, model)["Mul"] == scales


def test_tflite_softsign_is_three_builtins(converted):
    assert operators(converted, "mnist_ss.keras", "tflite") == {
        "FULLY_CONNECTED": 2,
        "ABS": 1,
        "ADD": 1,
        "DIV": 1,
        "SOFTMAX": 1,
    }
