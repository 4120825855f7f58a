"""Each published weakness of Keras's loading, played on ``convert``: refused by our reader, with nothing done.

What would have been run, read, fetched or written is a canary; the audit hook sees every attempt.
"""

import base64
import io
import marshal
import pickle
import tarfile

import h5py
import numpy as np
import pytest

pytestmark = pytest.mark.slow


def entry(kind, name, module="keras.layers", **config):
    """A layer as a ``.keras`` file has it."""
    return {"module": module, "class_name": kind, "registered_name": None, "config": {"name": name, **config}}


ADDRESS = "http://127.0.0.1:9/words.txt"


@pytest.fixture
def canary(tmp_path):
    """A file that hostile code would make."""
    path = tmp_path / "canary"
    yield path
    assert not path.exists(), "hostile code was run"


@pytest.fixture
def secret(tmp_path):
    """A file that a hostile model would read."""
    path = tmp_path / "secret.txt"
    path.write_text("secret\n")
    return path


@pytest.fixture
def refused(audited, tmp_path):
    """Describe a file: refused with this code and text, and nothing else happened."""

    def check(path, code, text):
        before = sorted(tmp_path.rglob("*"))
        run = audited(path)
        assert (run.code, text in run.err) == (code, True), run.err
        assert len(run.err.splitlines()) <= 2
        assert run.other() == []
        inside = {opened for opened in run.opened() if opened.startswith(str(tmp_path))}
        assert inside == {str(path)}
        assert sorted(tmp_path.rglob("*")) == before

    return check


def code_that_writes(canary, marker):
    """The bytes of a lambda that writes a file."""
    source = f"lambda x: open({str(canary)!r}, 'w').write({marker!r}) or x"
    return base64.b64encode(marshal.dumps(compile(source, "<lambda>", "eval").co_consts[0])).decode()


def a_lambda(code):
    function = {"class_name": "__lambda__", "config": {"code": code, "defaults": None, "closure": None}}
    return entry("Lambda", "lambda", function=function, arguments={})


def a_function(module, name):
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def test_cve_2024_3660_code_in_a_lambda(hostile, refused, canary, marker):
    path = hostile(a_lambda(code_that_writes(canary, marker)))
    refused(path, 4, "layer 'lambda': the lambda cannot be read: it uses the text '")


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("subprocess", "Popen"),
        ("builtins", "exec"),
        ("importlib", "import_module"),
        ("pickle", "loads"),
    ],
)
def test_cve_2025_1550_a_layer_that_is_any_class_of_any_module(hostile, refused, canary, module, name):
    path = hostile(entry(name, "x", module, args=["touch", str(canary)], command=f"touch {canary}"))
    refused(path, 3, f"layer 'x': names {module}.{name}, which is no part of a model")


def test_cve_2025_1550_a_function_of_any_module_as_an_argument(hostile, refused, canary):
    call = {"args": [{**a_function("os", "system"), "build_config": f"touch {canary}"}], "kwargs": {}}
    path = hostile(
        {**entry("Dense", "x", units=3, activation=a_function("os", "system")), "inbound_nodes": [call]}
    )
    refused(path, 3, "layer 'x': names os.system, which is no part of a model")


def test_cve_2025_8747_a_function_of_keras_that_downloads(hostile, refused):
    lambda_ = entry(
        "Lambda", "x", function=a_function("keras.utils", "get_file"), arguments={"origin": ADDRESS}
    )
    refused(hostile(lambda_), 3, "layer 'x': names keras.utils.get_file, which is no part of a model")


def test_cve_2025_9906_a_config_that_switches_safe_mode_off_before_a_lambda(hostile, refused, canary, marker):
    switch = {**a_function("keras.config", "enable_unsafe_deserialization"), "name": "off"}
    path = hostile(switch, a_lambda(code_that_writes(canary, marker)))
    refused(
        path, 3, "layer 'off': names keras.config.enable_unsafe_deserialization, which is no part of a model"
    )


def test_cve_2025_9905_code_in_an_h5_file_for_which_there_is_no_safe_mode(
    hostile_h5, refused, canary, marker
):
    code = code_that_writes(canary, marker)
    legacy = entry("Lambda", "old", None, function=[code, None, None], function_type="lambda", arguments={})
    for layer in (a_lambda(code), legacy):
        refused(hostile_h5(layer), 4, "the lambda cannot be read: it uses the text '")


class Payload:
    """A pickle that writes a file when it is opened."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("kind", ["TorchModuleWrapper", "FlaxLayer", "JaxLayer"])
def test_cve_2025_49655_a_layer_that_unpickles_its_module(hostile, refused, canary, kind):
    module = base64.b64encode(pickle.dumps(Payload(canary))).decode()
    path = hostile(entry(kind, "x", module=module))
    refused(path, 3, f"layer 'x': is a {kind}, which loads or runs something from outside the file")


@pytest.mark.parametrize("kind", ["StringLookup", "IntegerLookup", "TextVectorization"])
@pytest.mark.parametrize("place", ["secret", ADDRESS, "gs://bucket/words", "/dev/zero"])
def test_cve_2025_12058_a_vocabulary_from_a_file_or_an_address(hostile, refused, secret, kind, place):
    place = str(secret) if place == "secret" else place
    path = hostile(entry(kind, "words", vocabulary=place))
    refused(path, 3, f"layer 'words': is a {kind} that reads its vocabulary from '")


@pytest.mark.usefixtures("canary")
def test_cve_2025_12638_a_tar_that_unpacks_outside_its_folder(tmp_path, refused):
    path = tmp_path / "hostile.keras"
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("../canary")
        member.size = 3
        archive.addfile(member, io.BytesIO(b"ran"))
    refused(path, 3, "is neither a .keras archive nor an HDF5 file")


@pytest.mark.usefixtures("canary")
def test_cve_2025_12638_a_zip_that_unpacks_outside_its_folder(hostile, refused):
    refused(hostile(members=[("../canary", b"ran")]), 3, "leaves the archive ('..' in its path)")


def test_cve_2025_12638_a_config_that_downloads_and_unpacks(hostile, refused):
    path = hostile(entry("get_file", "x", "keras.src.utils.file_utils", origin=ADDRESS, extract=True))
    refused(path, 3, "names keras.src.utils.file_utils.get_file, which is no part of a model")


def test_cve_2026_0897_a_dataset_that_declares_a_huge_shape(hostile, refused):
    def write(file):
        del file["layers/dense/vars/0"]
        file.create_dataset("layers/dense/vars/0", (2**20, 2**20), "f4")

    refused(
        hostile(write=write), 3, "declares 4,398,046,511,104 bytes, over the limit of 17,179,869,184 in all"
    )


def test_cve_2026_0897_a_dataset_that_declares_more_than_it_stores(hostile, refused):
    def write(file):
        del file["layers/dense/vars/0"]
        file.create_dataset("layers/dense/vars/0", (2**15, 2**15), "f4")

    refused(hostile(write=write), 3, "declares 4,294,967,296 bytes but stores 0")


def test_cve_2026_1669_a_dataset_whose_bytes_are_another_file(hostile, refused, secret):
    def write(file):
        del file["layers/dense/vars/1"]
        file.create_dataset("layers/dense/vars/1", (7,), "u1", external=[(str(secret), 0, 7)])

    refused(hostile(write=write), 3, "keeps its numbers in another file (external storage)")


def test_cve_2026_1669_a_link_to_another_file(hostile, refused, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["vars/0"] = np.ones((4, 3))

    def write(file):
        del file["layers/dense"]
        file["layers/dense"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/")

    refused(hostile(write=write), 3, "is an external link; weights must lie in the file itself")


def test_cve_2026_1462_a_layer_that_loads_a_saved_model(hostile, refused, tmp_path):
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(b"\x08\x01")
    path = hostile(entry("TFSMLayer", "x", filepath=str(folder), call_endpoint="serve"))
    refused(path, 3, "layer 'x': is a TFSMLayer, which loads or runs something from outside the file")


@pytest.mark.parametrize("name", ["../../canary", "assets/../../canary", "/tmp/canary", "..\\canary"])  # noqa: S108  no file is made
@pytest.mark.usefixtures("canary")
def test_cve_2026_12479_a_layer_whose_name_is_a_path(hostile, refused, name):
    path = hostile(entry("Dense", name, units=3, activation="linear"))
    refused(path, 3, "has a layer named like a path that leads elsewhere: '")
