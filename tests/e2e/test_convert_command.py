"""``convert MODEL --to FORMAT`` from the outside: files, exit codes, what is printed, what is left when it fails."""

import hashlib
import json
import os
import resource
import subprocess
import sys

import numpy as np
import pytest

from converter.activations import SS, Step
from converter.artefacts.runtimes import open_artefact
from converter.artefacts.saved_model_hash import content_hash
from converter.command.cli import main


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def convert(*arguments):
    return main([*map(str, arguments)])


def entries(folder):
    """Everything in a folder, hidden or not."""
    return sorted(entry.name for entry in folder.iterdir()) if folder.exists() else []


def test_artefacts_are_named_after_the_source_and_recorded_in_one_manifest(models, tmp_path, capsys):
    source = models / "mnist_ss.keras"
    proved = ("--samples", models / "mnist_ss.npz", "--output", tmp_path)
    assert convert(source, "--to", "onnx", *proved) == 0
    assert convert(source, "--to", "tflite", "--to", "saved_model", "--to", "keras", *proved) == 0
    assert entries(tmp_path) == [
        "mnist_ss.manifest.json",
        "mnist_ss.onnx",
        "mnist_ss.tflite",
        "mnist_ss_plain.keras",
        "mnist_ss_saved_model",
    ]
    manifest = json.loads((tmp_path / "mnist_ss.manifest.json").read_text())
    assert sorted(manifest["artefacts"]) == entries(tmp_path)[1:]
    entry = manifest["artefacts"]["mnist_ss.onnx"]
    assert entry["sha256"] == digest(tmp_path / "mnist_ss.onnx")
    assert entry["source_sha256"] == manifest["source"]["sha256"] == digest(source)
    assert entry["parity"]["within_tolerance"]
    assert capsys.readouterr().err == ""


def test_converting_twice_gives_the_same_bytes(models, tmp_path):
    folders = tmp_path / "first", tmp_path / "second"
    for folder in folders:
        targets = ("--to", "onnx", "--to", "tflite", "--to", "saved_model", "--no-parity")
        assert convert(models / "digits_cnn.keras", *targets, "--output", folder) == 0
    for name in ("digits_cnn.onnx", "digits_cnn.tflite"):
        assert digest(folders[0] / name) == digest(folders[1] / name)
    saved = [content_hash(folder / "digits_cnn_saved_model") for folder in folders]
    assert saved[0] == saved[1]


def test_artefact_says_where_it_comes_from(models, tmp_path):
    assert convert(models / "mnist_rational_ss.keras", "--to", "onnx", "--output", tmp_path, "--seed", 5) == 0
    record = open_artefact("onnx", tmp_path / "mnist_rational_ss.onnx").provenance()
    assert record["source"]["sha256"] == digest(models / "mnist_rational_ss.keras")
    assert record["parity"] == {"atol": None, "rtol": None, "seed": 5}
    assert record["activations"][0]["parameters"] == {"a": 1.5, "b": 0.8}
    assert [each["what"] for each in record["rewrites"]][1:] == [
        "scale 0.8 folded into 'dense'",
        "scale 1.875 folded into 'dense_1'",
    ]
    assert {"keras", "tensorflow", "tf2onnx", "onnx"} <= set(record["tools"])


def test_without_proof_the_artefact_is_stamped_unverified(models, tmp_path):
    assert convert(models / "mnist_ss.keras", "--to", "onnx", "--no-parity", "--output", tmp_path) == 0
    assert open_artefact("onnx", tmp_path / "mnist_ss.onnx").provenance()["parity"] == "unverified"
    manifest = json.loads((tmp_path / "mnist_ss.manifest.json").read_text())
    assert manifest["artefacts"]["mnist_ss.onnx"]["parity"] == "unverified"


def test_missed_parity_publishes_nothing_and_leaves_the_old_artefact(models, tmp_path, capsys):
    (tmp_path / "mnist_pss.onnx").write_bytes(b"of an earlier run")
    (tmp_path / "mnist_pss.manifest.json").write_bytes(b"likewise")
    code = convert(models / "mnist_pss.keras", "--to", "onnx", "--atol", 0, "--rtol", 0, "--output", tmp_path)
    printed = capsys.readouterr()
    assert (code, printed.out) == (5, "")
    assert "nothing published" in printed.err
    assert "least tolerance" in printed.err
    assert entries(tmp_path) == ["mnist_pss.manifest.json", "mnist_pss.onnx"]
    assert (tmp_path / "mnist_pss.onnx").read_bytes() == b"of an earlier run"
    assert (tmp_path / "mnist_pss.manifest.json").read_bytes() == b"likewise"


def test_format_that_fails_is_not_published_and_the_others_are(models, tmp_path, capsys):
    """The SavedModel of SS runs the same kernels; ONNX sums in another order, by some 2e-6 another result."""
    targets = ("--to", "onnx", "--to", "saved_model")
    code = convert(
        models / "mnist_ss.keras", *targets, "--atol", 1e-6, "--rtol", 0, "--output", tmp_path, "--json"
    )
    result = json.loads(capsys.readouterr().out)
    assert code == result["exit_code"] == 5
    failed, done = result["models"][0]["artefacts"]
    assert failed["error"]["exit_code"] == 5
    assert not failed["parity"]["within_tolerance"]
    assert done["path"] == str(tmp_path / "mnist_ss_saved_model")
    assert entries(tmp_path) == ["mnist_ss.manifest.json", "mnist_ss_saved_model"]


def test_wrong_assumption_is_caught_by_recorded_answers(models, tmp_path, capsys):
    samples = models / "mnist_ss.npz"
    stated = ("--activation", "lambda=rational_ss:a=1,b=1.1")
    code = convert(
        models / "mnist_ss.keras", "--to", "onnx", *stated, "--samples", samples, "--expected", samples,
        "--output", tmp_path,
    )  # fmt: skip
    assert code == 5
    assert "output 'dense_1' against the recorded answers differs" in capsys.readouterr().err
    assert entries(tmp_path) == []


def test_one_bad_model_does_not_stop_the_others(models, tmp_path, capsys):
    bad = tmp_path / "bad.keras"
    bad.write_bytes(b"PK\x03\x04 and nothing more")
    output = tmp_path / "output"
    code = convert(bad, models / "mnist_ss.keras", "--to", "onnx", "--no-parity", "--output", output)
    assert code == 3
    assert "bad.keras: is a damaged or truncated archive" in capsys.readouterr().err
    assert entries(output) == ["mnist_ss.manifest.json", "mnist_ss.onnx"]


def test_repository_gets_a_new_version_each_time_with_a_golden_request(models, tmp_path, recorded_golden):
    for number in (1, 2):
        arguments = ("--to", "onnx", "--repository", tmp_path, "--name", "digits")
        assert convert(models / "digits_cnn.keras", *arguments) == 0
        version = tmp_path / "digits" / str(number)
        assert entries(version) == ["golden.npz", "manifest.json", "model.onnx"]
        recorded_golden(version)
    assert entries(tmp_path) == ["digits"]
    assert entries(tmp_path / "digits") == ["1", "2", "config.pbtxt"]
    first, second = (tmp_path / "digits" / number / "model.onnx" for number in "12")
    assert digest(first) == digest(second)


def test_a_config_is_replaced_only_as_long_as_convert_wrote_it(models, tmp_path):
    arguments = ("--to", "onnx", "--no-parity", "--repository", tmp_path, "--name", "pss")
    config = tmp_path / "pss" / "config.pbtxt"
    assert convert(models / "mnist_pss.keras", *arguments) == 0
    assert "max_batch_size: 64" in config.read_text()
    assert convert(models / "mnist_pss.keras", *arguments, "--batch", 2) == 0
    assert "max_batch_size: 0" in config.read_text()
    config.write_text("max_batch_size: 0\n")
    assert convert(models / "mnist_pss.keras", *arguments) == 0
    assert config.read_text() == "max_batch_size: 0\n"
    assert entries(tmp_path / "pss") == ["1", "2", "3", "config.pbtxt"]


def test_skip_unchanged_needs_a_repository(models, tmp_path, capsys):
    assert convert(models / "mnist_pss.keras", "--to", "onnx", "--skip-unchanged", "--output", tmp_path) == 2
    assert "--skip-unchanged goes with --repository" in capsys.readouterr().err


@pytest.fixture
def recorded_golden():
    def check(version):
        with np.load(version / "golden.npz") as golden:
            answer = open_artefact("onnx", version / "model.onnx").run({"image": golden["input:image"]})
            for name in ("digit", "parity"):
                assert np.allclose(answer[name], golden[f"output:{name}"], golden["rtol"], golden["atol"])

    return check


def test_fixed_batch_is_fixed_in_the_artefact(models, tmp_path):
    assert convert(models / "mnist_pss.keras", "--to", "onnx", "--batch", 3, "--output", tmp_path) == 0
    artefact = open_artefact("onnx", tmp_path / "mnist_pss.onnx")
    assert artefact.inputs[0].shape == (3, 784)
    assert artefact.outputs[0].shape == (3, 10)


def test_output_that_is_a_file_is_a_usage_error(models, tmp_path, capsys):
    place = tmp_path / "file"
    place.write_text("mine")
    assert convert(models / "mnist_ss.keras", "--to", "onnx", "--output", place) == 2
    assert "file: is not a folder" in capsys.readouterr().err
    assert place.read_text() == "mine"


def test_output_where_no_folder_can_be_made_is_one_clear_error(models, capsys):
    assert convert(models / "mnist_ss.keras", "--to", "onnx", "--output", "/proc/plainserve") == 6
    assert capsys.readouterr().err == (
        "convert: mnist_ss.keras: /proc/plainserve: no folder can be made here\nChoose another place.\n"
    )


def test_disk_that_is_full_is_one_clear_error_and_leaves_nothing(models, tmp_path):
    """A limit on the size of files stands for a full disk: the write fails in the middle."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    output = tmp_path / "output"
    done = subprocess.run(
        [sys.executable, "-m", "converter", models / "mnist_ss.keras", "--to", "onnx", "--output", output],
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=limit,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert (done.returncode, done.stdout) == (6, "")
    assert "cannot write: File too large\nFree some space" in done.stderr
    assert not output.exists()


def test_piped_output_is_plain_and_what_is_said_besides_goes_to_stderr(models, tmp_path):
    command = [
        sys.executable,
        "-m",
        "converter",
        models / "mnist_ss.keras",
        "--to",
        "onnx",
        "--output",
        tmp_path,
    ]
    warned = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (warned.returncode, warned.stderr.splitlines()[0][:17]) == (0, "convert: warning:")
    assert "\x1b" not in warned.stderr
    command += ["--samples", models / "mnist_ss.npz"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["mnist_ss.keras", "format", "onnx"]


def test_parity_failure_names_the_first_layer_that_differs(models, tmp_path, capsys, monkeypatch):
    """A wrong lowering of SS: the proof must find it, and find where it is."""
    wrong = (Step("Activation", {"activation": "tanh"}, "softsign"),)
    monkeypatch.setattr(SS, "lower", lambda self: wrong)  # noqa: ARG005  a method
    kept = tmp_path / "kept"
    arguments = ("--to", "onnx", "--output", tmp_path / "output", "--keep-failed", kept)
    assert convert(models / "digits_cnn.keras", *arguments) == 5
    text = capsys.readouterr().err
    assert "It first shows at layer 'lambda'" in text
    assert "after 'batch_normalization_1'" in text
    assert entries(tmp_path) == ["kept"]
    assert entries(kept) == ["digits_cnn.onnx"]
