"""The wheel, as a stranger gets it: installed elsewhere, run from an empty folder."""

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from patience import PATIENCE


@pytest.fixture(scope="module")
def installed(root, tmp_path_factory):
    """An environment that holds the wheel, and sees of this one only what the lock files brought."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", folder, root]
    subprocess.run(build, check=True, capture_output=True)
    environment = folder / "environment"
    venv.create(environment, with_pip=False, symlinks=True)
    packages = Path(next((environment / "lib").glob("python3*/site-packages")))
    (wheel,) = folder.glob("*.whl")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        packages,
        wheel,
    ]
    subprocess.run(pip, check=True, capture_output=True)
    # A path, not its .pth files: so the editable install of this environment stays out of sight.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return environment / "bin" / "python"


def run(python, folder, *arguments):
    return subprocess.run(
        [python, "-m", *map(str, arguments)], check=False, cwd=folder, capture_output=True, text=True
    )


@pytest.mark.slow
def test_the_code_comes_from_the_wheel(installed, tmp_path):
    script = "import converter, serving, protos; print(converter.__file__, serving.__file__, protos.__file__)"
    done = subprocess.run([installed, "-c", script], check=True, cwd=tmp_path, capture_output=True, text=True)
    environment = str(Path(installed).parents[1])
    assert all(path.startswith(environment) for path in done.stdout.split())


@pytest.mark.slow
def test_the_wheel_converts_and_serves(installed, models, tmp_path):
    repository = tmp_path / "repository"
    done = run(
        installed,
        tmp_path,
        "converter",
        models / "mnist_ss.keras",
        "--to",
        "onnx",
        "--repository",
        repository,
    )
    assert done.returncode == 0, done.stderr
    server = subprocess.Popen(
        [installed, "-m", "serving", "serve", repository, "--port", "0", "--metrics-port", "off",
         "--lame-duck-seconds", "0"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        address = server.stdout.readline().split()[-1]
        assert run(installed, tmp_path, "serving", "health", "--server", address).returncode == 0
    finally:
        server.terminate()
        assert server.wait(PATIENCE) == 0
        server.stdout.close()


@pytest.mark.slow
def test_the_wheel_holds_our_packages_and_the_licence_and_nothing_else(installed):
    wheel = next(Path(installed).parents[2].glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0].split("-")[0] for name in names}
    assert tops == {"converter", "serving", "protos", "plainserve", "plainserve_ray"}
    assert [name for name in names if name.endswith("licenses/LICENSE")]
    assert [name for name in names if name.endswith("licenses/nghttp2.txt")]
    assert not [name for name in names if name.endswith((".cc", ".h"))]
