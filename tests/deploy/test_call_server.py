"""The comparison that `make test-image` rests on notices answers that differ."""

from types import SimpleNamespace

import numpy as np
import pytest


@pytest.fixture(scope="session")
def call_server(load):
    return load("call_server")


@pytest.fixture
def recorded(tmp_path):
    """A folder with what `m` was asked and answered: the answer is twice the input."""
    pixels = np.linspace(0, 1, 6, dtype=np.float32).reshape(3, 2)
    np.savez(tmp_path / "m.npz", pixels=pixels, digit=2 * pixels, digit_label=np.zeros(3, np.uint8))
    return tmp_path


class Client:
    """Answers every request with a multiple of its input."""

    def __init__(self, factor):
        self.factor = factor

    def get_model_metadata(self, _name):
        pixels = SimpleNamespace(name="pixels", datatype="FP32")
        return SimpleNamespace(inputs=[pixels], outputs=[SimpleNamespace(name="digit", datatype="FP32")])

    def infer(self, _name, inputs):
        sent = np.frombuffer(inputs[0]._get_content(), np.float32).reshape(inputs[0].shape())
        return SimpleNamespace(as_numpy=lambda _output: self.factor * sent)


@pytest.mark.parametrize("name", ["m_onnx", "m_tflite", "m_saved_model"])
def test_the_recorded_answers_are_equal(call_server, recorded, capsys, name):
    assert call_server.agrees(Client(2), name, recorded)
    assert f"{name}: equal" in capsys.readouterr().out


@pytest.mark.parametrize("factor", [2.001, -2, float("nan")])
def test_other_answers_are_not_equal(call_server, recorded, capsys, factor):
    assert not call_server.agrees(Client(factor), "m_onnx", recorded)
    assert "m_onnx: NOT EQUAL" in capsys.readouterr().out


def test_a_repository_without_models_is_a_failure(call_server, recorded, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert call_server.main("127.0.0.1:1", str(tmp_path / "empty"), str(recorded)) == 1
    assert "there is no model in" in capsys.readouterr().out
