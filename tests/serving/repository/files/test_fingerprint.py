"""What is in the folder is what is told: each folder is a model, whether it can answer or not."""

import os
import socket
import stat
from pathlib import Path

import pytest

from serving.errors import ModelLoadError, ModelNotReadyError
from serving.repository.files import fingerprint, layout
from serving.repository.repository import Repository
from serving.services.open_inference import config_message

LONG = "a" * 300


@pytest.fixture
def models(repository, onnx_models):
    """A repository in which one model is good, loaded."""
    repository.onnx("good", onnx_models.affine())
    made = Repository(repository.root, parse=config_message.parse)
    made.load_all()
    return made


def told(models):
    """Of each model but the good one: its version, and the reason why it cannot answer."""
    return {each.name: (each.version, each.reason) for each in models.statuses() if not each.ready}


def nest(folder, levels):
    """Folders in folders, too many for a path; only from inside of each the next can be made."""
    here = Path.cwd()
    os.chdir(folder)
    try:
        for _ in range(levels):
            Path("d" * 6).mkdir()
            os.chdir("d" * 6)
    finally:
        os.chdir(here)


def flatten(folder):
    """Remove them, from the inside out: what removes trees recurses."""
    here = Path.cwd()
    os.chdir(folder)
    levels = 0
    while Path("d" * 6).is_dir():
        os.chdir("d" * 6)
        levels += 1
    for _ in range(levels):
        os.chdir("..")
        Path("d" * 6).rmdir()
    os.chdir(here)


def empty(folder):
    pass


def flat(folder):
    (folder / "model.onnx").write_bytes(b"x")


def named(folder):
    (folder / "v1").mkdir()
    (folder / "v1" / "model.onnx").write_bytes(b"x")


def file_for_version(folder):
    (folder / "1").write_text("")


def staged(folder):
    (folder / ".1").mkdir()


def config_alone(folder):
    (folder / "config.pbtxt").write_text("max_batch_size: 1")


def ensemble(folder):
    (folder / "config.pbtxt").write_text('platform: "ensemble"')


def bad_config(folder):
    (folder / "config.pbtxt").write_text("nonsense: 1")


LACKING = {
    empty: "it holds nothing and no version; expected a folder whose name is a number, such as 1, with one of",
    flat: "it holds model.onnx itself and no version; move the model into a folder in it whose name is a number",
    named: "it holds 'v1' and no version; expected",
    file_for_version: "it holds '1' and no version; expected",
    staged: "it holds nothing and no version",
    config_alone: "it holds 'config.pbtxt' and no version; expected",
    ensemble: "its config describes an ensemble, which this server does not serve",
    bad_config: 'no field named "nonsense"',
}


@pytest.mark.parametrize("make", LACKING, ids=lambda make: make.__name__)
def test_a_folder_without_a_version_is_told_once_and_not_ready(models, repository, caplog, make):
    folder = repository.root / "silent"
    folder.mkdir()
    make(folder)
    for _ in range(3):
        models.load_all()
    (version, reason) = told(models)["silent"]
    assert version == ""
    assert LACKING[make] in reason
    assert [record.getMessage() for record in caplog.records] == [f"model 'silent' is not ready: {reason}"]
    with pytest.raises(ModelNotReadyError, match="model 'silent' is not ready"):
        models.get("silent")
    assert models.get("good")


def test_at_the_start_it_is_required_like_any_model(models, repository):
    (repository.root / "silent").mkdir()
    models.load_all()
    models.required = frozenset(models.names())
    assert models.lacking() == ["silent"]


def test_it_is_served_as_soon_as_it_has_a_version(models, repository, onnx_models):
    (repository.root / "silent").mkdir()
    models.load_all()
    repository.onnx("silent", onnx_models.affine())
    models.load_all()
    assert models.get("silent")
    assert told(models) == {}


def test_a_model_whose_versions_were_taken_away_goes_and_is_required_no_more(models, repository):
    models.required = frozenset(models.names())
    (repository.root / "good" / "1").rename(repository.root / ".away")
    models.load_all(may_be_empty=True)
    assert "holds nothing and no version" in told(models)["good"][1]
    assert models.lacking() == []


def test_a_load_that_is_asked_for_says_the_reason_and_keeps_what_answers(models, repository):
    (repository.root / "silent").mkdir()
    with pytest.raises(ModelLoadError, match="failed to load 'silent': it holds nothing and no version"):
        models.load("silent")
    (repository.root / "good" / "1").rename(repository.root / ".away")
    with pytest.raises(ModelLoadError, match="failed to load 'good': it holds nothing"):
        models.load("good")
    assert models.get("good")


def test_what_was_unloaded_is_still_listed(models, repository):
    (repository.root / "silent").mkdir()
    models.load_all()
    models.unload("silent")
    assert told(models) == {"silent": ("", "unloaded")}


def test_another_process_comes_to_hold_it_too(models, repository):
    (repository.root / "silent").mkdir()
    models.load_all()
    other = Repository(repository.root, parse=config_message.parse)
    other.restore(models.snapshots(), {})
    assert other.snapshots() == models.snapshots()
    assert other.statuses() == models.statuses()


def test_files_in_the_root_and_hidden_folders_are_no_models(models, repository):
    (repository.root / "README").write_text("")
    (repository.root / ".git").mkdir()
    os.mkfifo(repository.root / "pipe")
    models.load_all()
    assert models.names() == ("good",)


def link_too_long(root):
    (root / "odd").symlink_to(LONG)


def link_to_nothing(root):
    (root / "odd").symlink_to("gone")


def link_to_itself(root):
    (root / "odd").symlink_to("odd")


def no_right(root):
    (root / "odd").mkdir()


FAULTS = {
    link_too_long: "its folder cannot be looked at: File name too long",
    link_to_nothing: "its folder is a link that leads nowhere",
    link_to_itself: "its folder is a link that leads out of the repository",
    no_right: "its folder cannot be looked at: Permission denied",
}


@pytest.fixture
def without_rights(monkeypatch):
    """Tests may run as root, who has every right: what the system says to others is said here."""
    scandir = os.scandir

    def refuse(path):
        if Path(path).name in {"odd", "secret"}:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)


@pytest.mark.usefixtures("without_rights")
@pytest.mark.parametrize("make", FAULTS, ids=lambda make: make.__name__)
def test_a_folder_that_cannot_be_looked_at_concerns_its_own_model(
    models, repository, onnx_models, caplog, make
):
    make(repository.root)
    repository.onnx("zebra", onnx_models.affine())
    for _ in range(2):
        models.load_all()
    assert FAULTS[make] in told(models)["odd"][1]
    assert len(caplog.records) == 1
    assert models.get("good")
    assert models.get("zebra")


def test_a_model_whose_folder_cannot_be_looked_at_any_more_goes_on_answering(models, repository):
    (repository.root / "good").rename(repository.root / ".good")
    (repository.root / "good").symlink_to("gone")
    models.load_all()
    assert models.get("good")
    assert models.statuses()[0].reason == "its folder is a link that leads nowhere"
    (repository.root / "good").unlink()
    (repository.root / ".good").rename(repository.root / "good")
    models.load_all()
    assert models.statuses()[0].reason == ""


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (LONG, "its folder cannot be looked at: File name too long"),
        ("gone", "its folder is a link that leads nowhere"),
    ],
)
def test_a_version_that_cannot_be_looked_at_leaves_the_others(
    models, repository, onnx_models, target, reason
):
    repository.onnx("odd", onnx_models.affine())
    (repository.root / "odd" / "2").symlink_to(target)
    models.load_all()
    assert models.get("odd").version == "1"
    assert told(models) == {"odd": ("2", reason)}


@pytest.mark.usefixtures("without_rights")
def test_a_folder_in_a_version_without_rights_is_named(models, repository, onnx_models):
    repository.onnx("m", onnx_models.affine())
    (repository.root / "m" / "1" / "secret").mkdir()
    models.load_all()
    assert told(models) == {"m": ("1", "secret cannot be looked at: Permission denied")}


def test_folders_nested_without_end_are_an_error_of_that_model(models, repository, onnx_models):
    repository.onnx("deep", onnx_models.affine())
    nest(repository.root / "deep" / "1", 1500)
    try:
        models.load_all()
        assert "its folders are nested deeper than 64" in told(models)["deep"][1]
        assert len(told(models)["deep"][1]) < 200
        assert models.get("good")
    finally:
        flatten(repository.root / "deep" / "1")


def test_as_many_folders_as_a_model_may_have_are_fine(models, repository, onnx_models):
    repository.onnx("deep", onnx_models.affine())
    (repository.root / "deep" / "1" / "/".join(["d"] * fingerprint.DEEPEST)).mkdir(parents=True)
    models.load_all()
    assert models.get("deep")


def test_a_version_with_too_many_files_is_an_error_of_that_model(
    models, repository, onnx_models, monkeypatch
):
    monkeypatch.setattr(fingerprint, "MOST", 20)
    repository.onnx("many", onnx_models.affine())
    for number in range(20):
        (repository.root / "many" / "1" / str(number)).write_text("")
    models.load_all()
    assert "it holds more than 20 files and folders" in told(models)["many"][1]
    assert models.get("good")


def a_folder(path):
    path.mkdir()


def a_pipe(path):
    os.mkfifo(path)


def a_socket(path):
    here = Path.cwd()
    os.chdir(path.parent)  # the name of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def nothing(path):
    path.symlink_to("gone")


def too_long(path):
    path.symlink_to(LONG)


ODD = {
    a_folder: "is a folder; it must be a file",
    a_pipe: "is a pipe; it must be a file",
    a_socket: "is a socket; it must be a file",
    nothing: "is a link that leads nowhere",
    too_long: "cannot be looked at: File name too long",
}
odd = pytest.mark.parametrize("make", ODD, ids=lambda make: make.__name__)


@odd
def test_a_config_that_is_no_file_is_an_error_of_its_model(models, repository, onnx_models, make):
    repository.onnx("m", onnx_models.affine())
    make(repository.root / "m" / "config.pbtxt")
    models.load_all()
    assert told(models) == {"m": ("1", told(models)["m"][1])}
    assert told(models)["m"][1].startswith(f"config.pbtxt {ODD[make]}")
    assert models.get("good")


@odd
def test_a_recorded_request_that_is_no_file_is_an_error_of_its_version(models, repository, onnx_models, make):
    repository.onnx("m", onnx_models.affine())
    make(repository.root / "m" / "1" / "golden.npz")
    models.load_all()
    version, reason = told(models)["m"]
    assert version == "1"
    assert reason.startswith("golden.npz ")


@odd
def test_labels_that_are_no_file_are_an_error_of_their_model(models, repository, onnx_models, make):
    repository.onnx("m", onnx_models.affine())
    repository.config(
        "m",
        'output { name: "y" data_type: TYPE_FP32 dims: 3 label_filename: "labels.txt" } max_batch_size: 1',
    )
    make(repository.root / "m" / "labels.txt")
    models.load_all()
    assert f"names the file 'labels.txt', and labels.txt {ODD[make]}" in told(models)["m"][1]


def test_what_no_config_names_may_be_anything(models, repository, onnx_models):
    repository.onnx("m", onnx_models.affine())
    for make in ODD:
        make(repository.root / "m" / make.__name__)
    models.load_all()
    assert models.get("m")


def test_an_artefact_that_is_a_link_to_nothing_is_named(models, repository):
    (repository.version("m") / "model.onnx").symlink_to("gone")
    models.load_all()
    assert told(models) == {"m": ("1", "model.onnx is a link that leads nowhere")}


def test_names_reach_the_reason_escaped(models, repository, onnx_models):
    repository.onnx("m", onnx_models.affine())
    os.mkfifo(repository.root / "m" / "1" / os.fsdecode(b"\x1b[2J\n\xff"))
    (repository.root / "flat" / "v\n1").mkdir(parents=True)
    models.load_all()
    assert told(models)["m"] == ("1", "\\x1b[2J\\n\\udcff is neither a file nor a folder")
    assert told(models)["flat"][1].startswith("it holds 'v\\n1' and no version")


def swap(link, target):
    """Point a link elsewhere, in one step, as git-sync and Kubernetes do."""
    beside = link.with_name(".next")
    beside.symlink_to(target)
    beside.replace(link)


@pytest.fixture
def releases(repository, onnx_models):
    """Two releases of a model whose files cannot be told apart but by what is in them."""
    for name, scale in (("a", 2.0), ("b", 3.0)):
        folder = repository.root / ".releases" / name / "1"
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(onnx_models.affine(scale))
        os.utime(folder / "model.onnx", (0, 0))


@pytest.mark.usefixtures("releases")
@pytest.mark.parametrize("place", ["m/1/model.onnx", "m/1", "m"])
@pytest.mark.parametrize("asked", [False, True], ids=["poll", "load"])
def test_a_link_that_is_re_pointed_is_noticed(models, repository, place, asked):
    link = repository.root / place
    link.parent.mkdir(parents=True, exist_ok=True)
    up, below = "../" * place.count("/"), {"m": "", "m/1": "/1", "m/1/model.onnx": "/1/model.onnx"}[place]
    link.symlink_to(f"{up}.releases/a{below}")
    models.load_all()
    before = models.get("m")
    models.load_all()
    assert models.get("m") is before
    swap(link, f"{up}.releases/b{below}")
    models.load("m") if asked else models.load_all()
    assert models.get("m") is not before


def test_a_folder_behind_a_link_is_looked_into(repository):
    """A SavedModel is such a folder; what opens it is not what is tested here."""
    for name in "ab":
        (repository.root / ".data" / name / "variables").mkdir(parents=True)
        (repository.root / ".data" / name / "variables" / "data").write_text(name)
    (repository.root / ".data" / "..data").symlink_to("a")
    link = repository.version("m") / "model.savedmodel"
    link.symlink_to("../../.data/..data")
    marks = fingerprint.version(link.parent, repository.root)
    assert fingerprint.version(link.parent, repository.root) == marks
    swap(repository.root / ".data" / "..data", "b")
    moved = fingerprint.version(link.parent, repository.root)
    assert moved != marks
    (repository.root / ".data" / "b" / "variables" / "data").write_text("longer")
    assert fingerprint.version(link.parent, repository.root) != moved


def test_a_look_at_what_has_not_changed_costs_one_call_for_each_file(repository, onnx_models, monkeypatch):
    repository.onnx("m", onnx_models.affine())
    for number in range(100):
        (repository.root / "m" / "1" / f"weights{number}").write_text("")
    resolved = []
    realpath = os.path.realpath
    monkeypatch.setattr(os.path, "realpath", lambda *args, **_: resolved.append(args) or realpath(*args))
    fingerprint.version(repository.root / "m" / "1", repository.root)
    assert len(resolved) < 10


def test_a_link_in_a_circle_is_walked_once(repository, onnx_models):
    repository.onnx("m", onnx_models.affine())
    for name in ("one", "two"):
        (repository.root / "m" / "1" / name).symlink_to("../..")
    names = [mark[0] for mark in fingerprint.version(repository.root / "m" / "1", repository.root)]
    assert len(names) < 20
    assert stat.S_ISDIR((repository.root / "m" / "1" / "one").stat().st_mode)


def test_a_fault_of_ours_in_one_model_leaves_the_others(models, repository, onnx_models, monkeypatch):
    repository.onnx("broken", onnx_models.affine())
    repository.onnx("zebra", onnx_models.affine())
    beside = fingerprint.beside

    def fails(model):
        if model.name == "broken":
            raise RuntimeError("broken")
        return beside(model)

    monkeypatch.setattr(fingerprint, "beside", fails)
    models.load_all()
    assert models.get("zebra")
    assert "this server fails on it: RuntimeError" in told(models)["broken"][1]


def test_a_folder_with_no_version_says_how_many_things_it_holds(tmp_path):
    for number in range(9):
        (tmp_path / f"f{number}").write_text("")
    assert layout.without_version(tmp_path).startswith(
        "it holds 'f0', 'f1', 'f2', 'f3', 'f4' and 4 more and no"
    )


def test_a_config_that_is_too_large_is_not_read(models, repository, onnx_models):
    repository.onnx("m", onnx_models.affine())
    with (repository.root / "m" / "config.pbtxt").open("wb") as file:
        file.truncate(1 << 40)
    models.load_all()
    assert told(models) == {"m": ("1", "config.pbtxt is larger than 1 MiB")}


def test_labels_that_are_too_large_are_not_read(models, repository, onnx_models):
    repository.onnx("m", onnx_models.affine())
    repository.config(
        "m",
        'output { name: "y" data_type: TYPE_FP32 dims: 3 label_filename: "labels.txt" } max_batch_size: 1',
    )
    with (repository.root / "m" / "labels.txt").open("wb") as file:
        file.truncate(1 << 40)
    models.load_all()
    assert "labels.txt is larger than 64 MiB" in told(models)["m"][1]


def test_a_folder_with_too_many_files_is_an_error_of_that_model(models, repository, onnx_models, monkeypatch):
    monkeypatch.setattr(fingerprint, "MOST", 20)
    repository.onnx("many", onnx_models.affine())
    for number in range(21):
        (repository.root / "many" / f"notes{number}").write_text("")
    models.load_all()
    assert "its folder holds more than 20 files" in told(models)["many"][1]
    assert models.get("good")


def test_a_root_that_may_be_listed_and_not_entered_tells_of_each_model(models, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_symlink", refuse)
    models.load_all()
    assert models.get("good")
    assert models.statuses()[0].reason == "its folder cannot be looked at: Permission denied"


def test_a_process_that_starts_while_a_folder_cannot_be_looked_at_says_so(models, repository):
    (repository.root / "good").rename(repository.root / ".good")
    (repository.root / "good").symlink_to("gone")
    other = Repository(repository.root, parse=config_message.parse)
    other.restore(models.snapshots(), {})
    with pytest.raises(ModelNotReadyError, match="its folder is a link that leads nowhere"):
        other.get("good")
