import numpy as np
import pytest

from serving.errors import ModelLoadError
from serving.repository.loading import golden_request
from serving.runtimes.runtime import TensorSpec


class Answer:
    """A runtime that answers with a constant."""

    platform = "constant"
    inputs = (TensorSpec("x", "FP32", (-1, 2)),)

    def __init__(self, y, datatype="FP32"):
        self.y = y
        self.outputs = (TensorSpec("y", datatype, (-1, 2)),)

    def infer(self, _inputs, _outputs):
        if isinstance(self.y, Exception):
            raise self.y
        return [self.y]


X = np.ones((1, 2), np.float32)


def record(folder, **arrays):
    np.savez(
        folder / golden_request.FILE, **{name.replace("_", ":", 1): value for name, value in arrays.items()}
    )


def floats(*values):
    return np.array([values], np.float32)


def test_without_a_record_nothing_is_checked(tmp_path):
    assert golden_request.check(Answer(floats(1, 2)), tmp_path) is None


@pytest.mark.parametrize(
    ("answer", "recorded"),
    [
        (floats(1.0, 2.0), floats(1.0, 2.0)),
        (floats(1.0, 1e-6), floats(1.0, 0.0)),
        (floats(1.00009, 1000.09), floats(1.0, 1000.0)),
        (floats(np.nan, np.inf), floats(np.nan, np.inf)),
    ],
)
def test_an_answer_within_the_tolerance_passes(tmp_path, answer, recorded):
    record(tmp_path, input_x=X, output_y=recorded)
    assert golden_request.check(Answer(answer), tmp_path).inputs.keys() == {"x"}


@pytest.mark.parametrize(
    ("answer", "recorded"),
    [
        (floats(1.0, 2.1), floats(1.0, 2.0)),
        (floats(1.0, 2e-5), floats(1.0, 0.0)),
        (floats(1.0, np.nan), floats(1.0, 2.0)),
        (floats(1.0, 2.0), floats(1.0, np.nan)),
        (floats(1.0, 2.0), floats(1.0, np.inf)),
        (floats(1.0, -np.inf), floats(1.0, np.inf)),
        (floats(1.0, np.inf), floats(1.0, 2.0)),
    ],
)
def test_an_answer_that_differs_is_refused_with_the_count(tmp_path, answer, recorded):
    record(tmp_path, input_x=X, output_y=recorded)
    with pytest.raises(ModelLoadError, match=r"'y' differs from golden\.npz in 1 of 2 elements"):
        golden_request.check(Answer(answer), tmp_path)


def test_the_record_may_state_a_tolerance(tmp_path):
    record(tmp_path, input_x=X, output_y=floats(1.0, 2.0), atol=0.5, rtol=0.0)
    assert golden_request.check(Answer(floats(1.4, 2.4)), tmp_path).inputs.keys() == {"x"}
    with pytest.raises(ModelLoadError, match=r"by up to 0\.6"):
        golden_request.check(Answer(floats(1.0, 2.6)), tmp_path)


def test_recorded_text_must_be_equal(tmp_path):
    answer = np.array([[b"yes", b"no"]], np.object_)
    record(tmp_path, input_x=X, output_y=np.array([["yes", "no"]]))
    assert golden_request.check(Answer(answer, "BYTES"), tmp_path).inputs.keys() == {"x"}
    with pytest.raises(ModelLoadError, match="differs from the text"):
        golden_request.check(Answer(answer[:, ::-1], "BYTES"), tmp_path)


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ({"output_y": floats(1, 2)}, "lacks 'input:x'"),
        ({"input_x": X}, "records none of the model's outputs"),
        ({"input_x": X.astype(np.float64), "output_y": floats(1, 2)}, "'x' as float64.*FP32"),
        ({"input_x": X, "output_y": np.ones((2, 2), np.float32)}, r"shape \[1, 2\].*records \[2, 2\]"),
    ],
)
def test_a_record_that_does_not_fit_the_model_is_refused(tmp_path, arrays, text):
    record(tmp_path, **arrays)
    with pytest.raises(ModelLoadError, match=text):
        golden_request.check(Answer(floats(1, 2)), tmp_path)


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04junk"])
def test_a_damaged_record_is_refused(tmp_path, content):
    (tmp_path / golden_request.FILE).write_bytes(content)
    with pytest.raises(ModelLoadError, match="cannot be read"):
        golden_request.check(Answer(floats(1, 2)), tmp_path)


def test_a_record_that_holds_pickles_is_refused(tmp_path):
    record(tmp_path, input_x=np.array([{"a": 1}], np.object_), output_y=floats(1, 2))
    with pytest.raises(ModelLoadError, match="cannot be read"):
        golden_request.check(Answer(floats(1, 2)), tmp_path)


def test_a_model_that_fails_on_the_record_is_refused(tmp_path):
    record(tmp_path, input_x=X, output_y=floats(1, 2))
    with pytest.raises(ModelLoadError, match=r"fails on the request recorded.*too hot"):
        golden_request.check(Answer(RuntimeError("too hot")), tmp_path)
