import numpy as np
import pytest

from converter.dtypes import MEASURABLE, numpy_dtype
from converter.errors import UnsupportedError
from converter.parity.probes import InputHint, probes
from converter.signature import TensorSpec

IMAGE = TensorSpec("image", (None, 4, 3), "float32")
TOKENS = TensorSpec("tokens", (None, 6), "int32")


def made(*inputs, hints=None, seed=0, **options):
    return list(probes(inputs, hints or {}, seed, **options))


def arrays(several, name):
    return [probe.inputs[name] for probe in several]


def same(one, other):
    assert [probe.name for probe in one] == [probe.name for probe in other]
    return all(
        np.array_equal(first.inputs[name], second.inputs[name])
        for first, second in zip(one, other, strict=True)
        for name in first.inputs
    )


def test_floats_come_in_the_five_stated_distributions_at_three_batch_sizes():
    several = made(IMAGE)
    assert {probe.distribution for probe in several} == {
        "image: standard normal",
        "image: uniform in [0, 1)",
        "image: uniform in [-10, 10)",
        "image: 90% zeros, else standard normal",
        "image: all 0",
    }
    assert {array.shape for array in arrays(several, "image")} == {(1, 4, 3), (7, 4, 3), (32, 4, 3)}
    assert len({probe.name for probe in several}) == len(several) == 4 * 3 * 3 + 3


@pytest.mark.parametrize(
    ("words", "holds"),
    [
        ("standard normal", lambda x: abs(x.mean()) < 0.05 and abs(x.std() - 1) < 0.05 and x.max() > 2),
        ("uniform in [0, 1)", lambda x: 0 <= x.min() < 0.01 and 0.99 < x.max() < 1),
        ("uniform in [-10, 10)", lambda x: -10 <= x.min() < -9.9 and 9.9 < x.max() < 10),
        ("90% zeros, else standard normal", lambda x: abs((x == 0).mean() - 0.9) < 0.02 and x.std() > 0.2),
        ("all 0", lambda x: not x.any()),
    ],
)
def test_the_numbers_are_distributed_as_the_words_say(words, holds):
    several = made(TensorSpec("x", (None, 500), "float32"))
    of_kind = [probe.inputs["x"].ravel() for probe in several if probe.distribution == f"x: {words}"]
    assert holds(np.concatenate(of_kind))


@pytest.mark.parametrize("dtype", sorted(MEASURABLE))
def test_every_dtype_gets_arrays_of_that_dtype(dtype):
    for array in arrays(made(TensorSpec("x", (None, 5), dtype)), "x"):
        assert array.dtype == numpy_dtype(dtype)


def test_the_same_seed_gives_the_same_numbers_and_another_gives_others():
    assert same(made(IMAGE, TOKENS, seed=5), made(IMAGE, TOKENS, seed=5))
    assert not same(made(IMAGE, TOKENS, seed=5), made(IMAGE, TOKENS, seed=6))


def test_draws_of_one_distribution_differ():
    draws = [probe.inputs["image"] for probe in made(IMAGE) if "normal-batch7" in probe.name]
    assert len({array.tobytes() for array in draws}) == 3


def test_inputs_of_one_probe_differ_although_their_specs_are_equal():
    several = made(IMAGE, TensorSpec("other", IMAGE.shape, "float32"))
    normal = [probe for probe in several if "normal" in probe.name]
    assert len(normal) == 9
    assert not any(np.array_equal(probe.inputs["image"], probe.inputs["other"]) for probe in normal)


def test_the_order_of_inputs_and_of_reading_changes_no_number():
    other = TensorSpec("other", (None, 2), "float32")
    forward = made(IMAGE, other)
    backward = {probe.name: probe for probe in reversed(made(other, IMAGE))}
    assert all(
        np.array_equal(probe.inputs[name], backward[probe.name].inputs[name])
        for probe in forward
        for name in ("image", "other")
    )


def test_a_fixed_batch_is_kept():
    shapes = {array.shape for array in arrays(made(IMAGE, TensorSpec("n", (5, 2), "float32")), "image")}
    assert shapes == {(5, 4, 3)}


def test_two_fixed_batches_that_differ_are_refused():
    with pytest.raises(UnsupportedError, match=r"'a' \(2, 1\), 'b' \(3, 1\)"):
        probes([TensorSpec("a", (2, 1), "float32"), TensorSpec("b", (3, 1), "float32")], {}, 0)


def test_free_axes_get_sizes_that_differ_from_each_other_and_from_the_batch():
    picture = TensorSpec("x", (None, None, None, 3), "float32")
    for batch, height, width, channels in (array.shape for array in arrays(made(picture), "x")):
        assert len({batch, height, width, channels}) == 4
    assert arrays(made(picture, free_dim=4), "x")[0].shape == (1, 4, 8, 3)


def test_sequences_that_go_together_have_one_length():
    other = TensorSpec("other", (None, None, 2), "float32")
    for probe in made(TensorSpec("x", (None, None), "int64"), other):
        assert probe.inputs["x"].shape[1] == probe.inputs["other"].shape[1]


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint16", "float32"])
def test_with_a_vocabulary_the_values_are_integers_within_it_and_reach_its_ends(dtype):
    several = made(TensorSpec("ids", (None, 40), dtype), hints={"ids": InputHint(high=50)})
    together = np.concatenate([array.ravel() for array in arrays(several, "ids")])
    assert set(together.tolist()) == set(range(50))


def test_a_vocabulary_larger_than_the_dtype_is_cut_to_what_the_dtype_holds_exactly():
    hints = {"x": InputHint(high=100_000)}
    assert (
        max(array.max() for array in arrays(made(TensorSpec("x", (None, 9), "float16"), hints=hints), "x"))
        == 2048
    )
    assert (
        max(array.max() for array in arrays(made(TensorSpec("x", (None, 9), "int8"), hints=hints), "x"))
        == 127
    )


def test_the_whole_range_of_the_widest_integers_can_be_asked_for():
    hints = {"x": InputHint(high=2**64)}
    largest = max(
        array.max() for array in arrays(made(TensorSpec("x", (None, 9), "uint64"), hints=hints), "x")
    )
    assert int(largest) == 2**64 - 1


def test_integers_without_a_hint_stay_small_and_bytes_cover_their_range():
    assert {int(value) for array in arrays(made(TOKENS), "tokens") for value in array.flat} == set(range(10))
    bytes_ = np.concatenate(
        [array.ravel() for array in arrays(made(TensorSpec("b", (None, 99), "uint8")), "b")]
    )
    assert (bytes_.min(), bytes_.max()) == (0, 255)


def test_bool_is_drawn_both_ways_and_all_false():
    several = made(TensorSpec("flag", (None, 8), "bool"))
    assert {probe.distribution for probe in several} == {"flag: true or false, evenly", "flag: all 0"}
    assert any(0 < array.mean() < 1 for array in arrays(several, "flag"))


def test_masked_sequences_end_in_zeros_or_keep_a_single_step():
    several = made(TOKENS, hints={"tokens": InputHint(high=9, masked=True)})
    padded = np.concatenate([p.inputs["tokens"] for p in several if "padded" in p.name])
    single = np.concatenate([p.inputs["tokens"] for p in several if "one_step" in p.name])
    lengths = (padded != 0).sum(axis=1)
    assert set(lengths.tolist()) == {1, 2, 3, 4, 5, 6}
    assert np.array_equal(padded != 0, np.arange(6) < lengths[:, None])
    assert np.all((single != 0).sum(axis=1) == 1)
    assert set(np.argmax(single, axis=1).tolist()) == set(range(6))
    assert padded.max() == single.max() == 8


def test_masked_steps_of_floats_are_zero_in_all_features():
    steps = TensorSpec("x", (None, 5, 3), "float32")
    single = [p.inputs["x"] for p in made(steps, hints={"x": InputHint(masked=True)}) if "one_step" in p.name]
    assert all(np.all(np.abs(array).all(axis=2).sum(axis=1) == 1) for array in single)
    assert all(np.all(np.abs(array).any(axis=2).sum(axis=1) == 1) for array in single)


def test_without_the_hint_there_are_no_masked_sequences():
    assert not any("padded" in probe.name or "one_step" in probe.name for probe in made(TOKENS))


def test_a_vocabulary_of_the_mask_alone_gets_nothing_but_zeros():
    several = made(TOKENS, hints={"tokens": InputHint(high=1, masked=True)})
    assert not any(array.any() for array in arrays(several, "tokens"))


def test_an_input_with_fewer_distributions_starts_over():
    several = made(IMAGE, TOKENS)
    kinds = dict.fromkeys(probe.name.split("-")[1] for probe in several)
    assert list(kinds) == ["normal+integers", "uniform+ends", "large+zero", "sparse+integers", "zero+ends"]


@pytest.mark.parametrize("dtype", ["string", "complex64"])
def test_a_dtype_without_probes_is_refused_with_the_name_of_the_input(dtype):
    with pytest.raises(UnsupportedError, match=f"input 'words'.*{dtype}"):
        probes([IMAGE, TensorSpec("words", (None, 1), dtype)], {}, 0)


@pytest.mark.parametrize(
    ("spec", "hints", "says"),
    [
        (TOKENS, {"token": InputHint(high=3)}, "do not exist: token"),
        (
            TOKENS,
            {"tokens": InputHint(low=5, high=5)},
            r"'tokens' of dtype int32 has no integers in \[5, 5\)",
        ),
        (TensorSpec("x", (None, 2), "uint8"), {"x": InputHint(low=-9, high=0)}, r"no integers in \[0, 0\)"),
        (TensorSpec("x", (None,), "float32"), {"x": InputHint(masked=True)}, "no steps to mask"),
    ],
)
def test_a_hint_that_makes_no_sense_is_refused(spec, hints, says):
    with pytest.raises(ValueError, match=says):
        probes([spec], hints, 0)
