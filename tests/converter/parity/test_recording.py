"""``converter.record``: what it writes proves a conversion, under the names that the converter gives."""

import keras
import numpy as np
import pytest

from converter import record
from converter.archive import open_archive
from converter.description import InputShapes, describe

RNG = np.random.default_rng(3)
ROWS = RNG.normal(size=(40, 6)).astype("float32")


class Opaque(keras.layers.Layer):
    """Written as in many a notebook: not traceable."""

    def call(self, inputs):
        x = np.asarray(inputs)
        return keras.ops.convert_to_tensor(x / (1 + np.abs(x)))

    def compute_output_shape(self, input_shape):
        return input_shape


def names_in(model, folder):
    """The names that the converter gives, read from the saved file."""
    file = folder / "model.keras"
    model.save(file)
    with open_archive(file) as archive:
        found = describe(archive, {}, InputShapes())
    return [spec.name for spec in found.inputs], [name for name, _ in found.graph.outputs]


def functional():
    x = keras.Input((6,), name="x")
    return keras.Model(x, keras.layers.Dense(3, name="y")(x))


def several():
    a, b = keras.Input((6,), name="a"), keras.Input((6,), name="b")
    both = keras.layers.Add(name="both")([a, b])
    shared = keras.layers.Dense(3, name="shared")
    return keras.Model([a, b], [shared(both), shared(a), keras.layers.Dense(1, name="last")(both)])


def by_key():
    x = keras.Input((6,), name="x")
    made = {"zeta": keras.layers.Dense(2, name="one")(x), "alpha": keras.layers.Dense(1, name="two")(x)}
    return keras.Model({"x": x}, made)


def sequential():
    return keras.Sequential([keras.layers.Input((6,)), keras.layers.Dense(3, name="end")])


def built_later():
    model = keras.Sequential([keras.layers.Dense(3, name="end")])
    model(ROWS)
    return model


def nested():
    x = keras.Input((6,), name="x")
    inner = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)], name="inner")
    return keras.Model(x, inner(x))


@pytest.mark.parametrize(
    ("make", "samples"),
    [
        (functional, ROWS),
        (functional, {"x": ROWS}),
        (functional, [list(row) for row in ROWS]),
        (several, [ROWS, -ROWS]),
        (several, {"b": ROWS, "a": ROWS}),
        (by_key, ROWS),
        (sequential, ROWS),
        (built_later, ROWS),
        (nested, ROWS),
    ],
    ids=lambda value: getattr(value, "__name__", "samples"),
)
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own, on saving
def test_arrays_have_the_names_that_the_converter_gives(make, samples, tmp_path):
    model = make()
    path = record(model, samples, tmp_path / "proof.npz")
    inputs, outputs = names_in(model, tmp_path)
    with np.load(path) as written:
        assert list(written) == [*inputs, *outputs]
        assert {len(written[name]) for name in written} == {40}
        given = {name: written[name] for name in inputs}
        answer = model(given if make is by_key else [*given.values()] if len(given) > 1 else given[inputs[0]])
        whole = keras.tree.flatten(answer)
        # 40 rows at once here, 32 and 8 there: sums may be added in another order.
        for name, array in zip(outputs, whole, strict=True):
            np.testing.assert_allclose(written[name], array, rtol=1e-5, atol=1e-6)
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []


def test_a_model_that_runs_eagerly_only_is_recorded(tmp_path):
    model = keras.Sequential([Opaque(name="opaque")])
    path = record(model, ROWS, tmp_path / "proof.npz")
    with np.load(path) as written:
        np.testing.assert_allclose(written["opaque"], ROWS / (1 + np.abs(ROWS)), rtol=1e-6)
        assert list(written) == ["input", "opaque"]


def test_any_name_can_be_recorded_and_a_shared_one_is_told_apart(tmp_path):
    x = keras.Input((6,), name="file")
    model = keras.Model({"file": x}, {"file": keras.layers.Dense(2)(x)})
    with np.load(record(model, {"file": ROWS}, tmp_path / "proof.npz")) as written:
        assert list(written) == ["file", "output:file"]


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        ({"z": ROWS}, "the model takes"),
        (ROWS[:0], "one number above 0"),
    ],
)
def test_samples_that_are_not_the_models_are_refused_and_nothing_is_written(samples, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        record(functional(), samples, tmp_path / "proof.npz")
    assert list(tmp_path.iterdir()) == []


def test_rows_of_several_inputs_must_agree(tmp_path):
    with pytest.raises(ValueError, match="one number above 0"):
        record(several(), [ROWS, ROWS[:3]], tmp_path / "proof.npz")
