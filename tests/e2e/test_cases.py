"""Small models of kinds that people have, each with what must happen: right numbers, or a word about it."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from converter.artefacts.runtimes import open_artefact
from converter.command.cli import main
from converter.exporters.target_formats import get_target

CASES = Path(__file__).parents[1] / "cases" / "converter"
RUNS = {run["id"]: run for run in json.loads((CASES / "cases.json").read_text())}


@dataclass(frozen=True)
class Right:
    """What must happen.

    Attributes:
        exit_codes: One of these.
        says: Words that are printed or stand in the manifest.
        never: Words that are not printed.
        numbers: Whether the artefacts answer as the user's model did; else only the word about it counts.
    """

    exit_codes: tuple[int, ...] = (0,)
    says: tuple[str, ...] = ()
    never: tuple[str, ...] = ("Traceback", "defect")
    numbers: bool = True


REFUSED = ("--activation",)
CONVERTS = Right()
ASSUMED = Right(says=("assumed",), never=("proved", "passed", "Traceback"))
RIGHT = {
    "a_alpha_zero": CONVERTS,
    "b_unknown_dense": Right((4,), ("2 weights", "--custom-objects"), REFUSED),
    "b_unknown_dense_stated": Right((4,), ("2 weights", "does not use"), ("--activation my_dense",)),
    "b_unknown_dense_code": Right(says=("code",)),
    "c_learned_extra_key_scalar": ASSUMED,
    "c_learned_extra_key_channel": ASSUMED,
    "c_learned_extra_key_channel_code": Right(says=("code",)),
    "d_layer_as_activation": CONVERTS,
    "e_named_like_builtin_swish": Right(says=("swish", "taken_as_keras"), numbers=False),
    "e_named_like_builtin_swish_code": Right(says=("code",)),
    "e_named_like_builtin_gelu": Right(says=("gelu", "taken_as_keras"), numbers=False),
    "e_named_like_builtin_gelu_code": Right(says=("code",)),
    "e_named_like_builtin_swish_recorded": Right((5,), ("recorded answers",)),
    "f_lambda_closure": CONVERTS,
    "g_liar": Right(says=("assumed",), never=("proved", "passed"), numbers=False),
    "g_liar_recorded": Right((5,), ("recorded answers",)),
    "g_liar_code": Right((0, 5), ("code",)),
    "h_unknown": Right((4,), ("beta=1.5", "--custom-objects"), REFUSED),
    "h_unknown_with_code": Right(says=("code",)),
    "i_mask_supporting": Right(
        says=("ends the mask that reaches it, assumed",), never=("proved", "passed"), numbers=False
    ),
    "i_mask_supporting_code": Right(says=("code",)),
    "j_quantized_policy": Right((4,), ("int8",), ("damaged",)),
    "k_slicing_keras2": CONVERTS,
    "l_groupnorm_free_size": CONVERTS,
    "m_lstm_static_steps": CONVERTS,
    "n_mixed_float16": Right(says=("float32",)),
    "o_activation_wrapper_keras2": ASSUMED,
    "o_activation_wrapper": ASSUMED,
    "o_activation_wrapper_code": Right(says=("code",)),
    "p_loop_openvino": CONVERTS,
}


def test_every_case_has_its_row():
    assert RIGHT.keys() == RUNS.keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_case(name, tmp_path, capsys):
    run, right = RUNS[name], RIGHT[name]
    output = tmp_path / "o"
    arguments = [
        word.replace("{recorded}", str(CASES / run.get("recorded", ""))) for word in run["arguments"]
    ]
    if run.get("custom_objects"):
        arguments += ["--custom-objects", str(CASES / run["custom_objects"])]
    targets = [word for target in run["to"] for word in ("--to", target)]
    code = main([str(CASES / run["file"]), "--output", str(output), *targets, *arguments])
    printed = "".join(capsys.readouterr())
    manifest = output / f"{Path(run['file']).stem}.manifest.json"
    told = printed + (manifest.read_text() if manifest.exists() else "")
    assert code in right.exit_codes, printed
    assert [word for word in right.says if word not in told] == []
    assert [word for word in right.never if word in printed] == []
    if code:
        assert not output.exists()
        return
    if right.numbers:
        for target in run["to"]:
            assert_answers_like_the_users_model(run, target, output)


def assert_answers_like_the_users_model(run, target, output):
    artefact = open_artefact(target, output / get_target(target).artefact_name(Path(run["file"]).stem))
    with np.load(CASES / run["answers"]) as answers:
        inputs = {key[3:]: answers[key] for key in answers if key.startswith("in_")}
        wanted = [answers[key] for key in sorted(answers) if key.startswith("out_")]
    came = artefact.run({spec.name: inputs[spec.name].astype(spec.dtype) for spec in artefact.inputs})
    # Half precision keeps three digits; all else is rounding over a few layers.
    tolerance = 2e-2 if run["id"] == "n_mixed_float16" else 1e-4
    for got, want in zip(came.values(), wanted, strict=True):
        allowed = tolerance * np.maximum(1.0, np.abs(want.astype(np.float64)))
        assert np.all(np.abs(got.astype(np.float64) - want) <= allowed)
