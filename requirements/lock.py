"""Pin every dependency with hashes, naming no index and no address.

Three files: ``dev.txt`` is everything; ``server.txt`` and ``converter.txt`` are what the images install,
constrained to the versions of ``dev.txt`` so that what was tested is what is shipped.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
COMMON = [
    "pip",
    "compile",
    str(HERE.parent / "pyproject.toml"),
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
    DEV: ["--all-extras", "--group=dev"],
    HERE / "server.txt": [f"--constraint={DEV}"],
    HERE / "converter.txt": ["--extra=converter", f"--constraint={DEV}"],
}


def main() -> None:
    """Write the three files, ``dev.txt`` first because the others follow it."""
    for path, options in FILES.items():
        subprocess.run(
            [sys.executable, "-m", "uv", *COMMON, *options, f"--output-file={path}", "--upgrade"],
            check=True,
            stdout=subprocess.DEVNULL,
        )


if __name__ == "__main__":
    main()
