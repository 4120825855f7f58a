import ml_dtypes
import numpy as np
import pytest

from converter.parity.top1 import top1


def rows(*values, dtype=np.float32):
    return np.array(values, dtype)


@pytest.mark.parametrize(
    ("reference", "actual", "share"),
    [
        pytest.param([[0.7, 0.3]], [[0.6, 0.4]], 1.0, id="same class"),
        pytest.param([[0.7, 0.3]], [[0.4, 0.6]], 0.0, id="other class"),
        pytest.param([[0.7, 0.3], [0.2, 0.8]], [[0.4, 0.6], [0.1, 0.9]], 0.5, id="one of two rows"),
        pytest.param([[0.4, 0.4, 0.2]], [[0.3, 0.5, 0.2]], 1.0, id="either class of a tie is right"),
        pytest.param([[0.4, 0.4, 0.2]], [[0.1, 0.2, 0.7]], 0.0, id="the third class of a tie is wrong"),
        pytest.param([[0.5, 0.3, 0.2]], [[0.4, 0.4, 0.2]], 0.5, id="a tie in the answer earns its chance"),
        pytest.param([[0.4, 0.3, 0.2, 0.1]], [[0.25] * 4], 0.25, id="a constant answer earns one in four"),
        pytest.param([[0.5, 0.50000006]], [[0.50000006, 0.5]], 1.0, id="an ulp is a tie"),
        pytest.param([[0.4999, 0.5001]], [[0.5001, 0.4999]], 0.0, id="a small lead is no tie"),
        pytest.param([[0.7, 0.3]], [[np.nan, 0.3]], 0.0, id="an answer with NaN is wrong"),
        pytest.param([[0.7, 0.3]], [[np.inf, 0.3]], 0.0, id="an infinite answer is wrong"),
    ],
)
def test_rows_earn_what_they_deserve(reference, actual, share):
    assert top1(rows(*reference), rows(*actual)).share == pytest.approx(share)


@pytest.mark.parametrize(
    "reference",
    [
        pytest.param(rows([1.0], [1.0]), id="one class"),
        pytest.param(rows([0.7, 0.7]), id="sum above 1"),
        pytest.param(rows([1.2, -0.2]), id="negative"),
        pytest.param(rows([0.5, 0.5], [np.nan, 1.0]), id="NaN in one row"),
        pytest.param(rows([np.inf, 0.0]), id="infinite"),
        pytest.param(rows([0, 1], dtype=np.int32), id="integers"),
        pytest.param(np.array([0.5, 0.5], np.float32), id="no batch"),
        pytest.param(np.zeros((0, 3), np.float32), id="no rows"),
    ],
)
def test_what_is_no_distribution_has_no_agreement(reference):
    assert top1(reference, reference) is None


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
def test_a_softmax_rounded_to_any_float_is_a_distribution(dtype):
    logits = np.random.default_rng(3).standard_normal((50, 4, 100))
    softmax = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    found = top1(softmax.astype(dtype), softmax.astype(dtype))
    assert (found.rows, found.share) == (200, 1.0)


def test_more_rows_than_are_read_at_once_are_all_counted():
    reference = np.tile(rows([0.9, 0.1]), (300_000, 1))
    actual = reference.copy()
    actual[299_999] = [0.1, 0.9]
    found = top1(reference, actual)
    assert (found.rows, found.agreeing) == (300_000, 299_999)
    reference[299_999] = [0.9, 0.9]
    assert top1(reference, actual) is None
