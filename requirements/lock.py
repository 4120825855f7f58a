"""Pin every dependency with hashes, naming no index and no address.

``dev.txt`` is everything but Ray; ``server.txt``, ``server-tensorflow.txt`` and ``converter.txt`` are what the images
install, ``build.txt`` is what builds the wheel in them and ``ray.txt`` is what a node of a Ray cluster needs,
constrained to the versions of ``dev.txt`` so that what was tested is what is shipped. ``clients.txt`` has the clients
that the tests call the server with and that cannot share an environment with the rest; ``foreign-models.txt`` has
packages that are installed alone, for the models in them. ``triton.txt``, ``kserve.txt`` and ``mlserver.txt`` have
other model servers, for ``make bench-peers``. ``lowest.txt`` has the lowest versions that
``pyproject.toml`` allows of what is shipped, for ``make lowest``.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
PYPROJECT = HERE.parent / "pyproject.toml"
STDIN = "-"
COMMON = [
    "pip",
    "compile",
    "--quiet",
    "--universal",
    "--python-version=3.11",
    "--generate-hashes",
    "--no-header",
    "--no-annotate",
    "--no-emit-index-url",
    "--no-emit-find-links",
]
DEV = HERE / "dev.txt"
FILES = {
    DEV: [str(PYPROJECT), "--extra=converter", "--extra=saved-model", "--extra=images", "--group=dev"],
    HERE / "server.txt": [str(PYPROJECT), f"--constraint={DEV}"],
    HERE / "server-tensorflow.txt": [str(PYPROJECT), "--extra=saved-model", f"--constraint={DEV}"],
    HERE / "converter.txt": [str(PYPROJECT), "--extra=converter", f"--constraint={DEV}"],
    HERE / "ray.txt": [str(PYPROJECT), "--extra=ray", f"--constraint={DEV}"],
    HERE / "clients.txt": [f"--group={PYPROJECT}:clients"],
    **{HERE / f"{peer}.txt": [f"--group={PYPROJECT}:{peer}"] for peer in ("triton", "kserve", "mlserver")},
    HERE / "foreign-models.txt": [f"--group={PYPROJECT}:foreign-models", "--no-deps"],
    HERE / "lowest.txt": [
        str(PYPROJECT),
        "--extra=converter",
        "--extra=images",
        "--group=lowest",
        "--resolution=lowest-direct",
    ],
    HERE / "build.txt": [STDIN, f"--group={PYPROJECT}:wheel", f"--constraint={DEV}"],
}


def main() -> None:
    """Write the files, ``dev.txt`` first because the others follow it."""
    build_requirements = tomllib.loads(PYPROJECT.read_text())["build-system"]["requires"]
    for path, options in FILES.items():
        subprocess.run(
            [sys.executable, "-m", "uv", *COMMON, *options, f"--output-file={path}", "--upgrade"],
            input="\n".join(build_requirements),  # read where the source is STDIN
            text=True,
            check=True,
            stdout=subprocess.DEVNULL,
        )


if __name__ == "__main__":
    main()
