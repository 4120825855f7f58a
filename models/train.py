"""Trains the example models again and prints how well they read digits they never saw.

A model with a Lambda holds the name of the file its function was compiled from. Each script therefore runs
in this folder, under its bare file name, in a process of its own.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
SCRIPTS = {
    "mnist_pss": ["mnist_pss.keras", "mnist_legacy.h5"],
    "mnist_ss": ["mnist_ss.keras"],
    "mnist_ss_numpy": ["mnist_ss_numpy.keras"],
    "mnist_rational_ss": ["mnist_rational_ss.keras"],
    "digits_cnn": ["digits_cnn.keras"],
}
RUN = "import runpy, sys; runpy.run_path(sys.argv[1], run_name='__main__')"


def main():
    parser = argparse.ArgumentParser(description="Train the example models again.")
    parser.add_argument("name", nargs="*", help=f"which to train: {', '.join(SCRIPTS)} (default: all)")
    names = parser.parse_args().name or list(SCRIPTS)
    unknown = [name for name in names if name not in SCRIPTS]
    if unknown:
        parser.error(f"no script trains {', '.join(unknown)}; there are {', '.join(SCRIPTS)}")

    print_row("model", "output", "held out", "accuracy", "size")
    for name in names:
        train(name)
        report(SCRIPTS[name])


def train(name):
    """Runs one script; what TensorFlow says on the way is shown only if the script fails."""
    command = [sys.executable, "-c", RUN, f"{name}.py"]
    done = subprocess.run(command, cwd=FOLDER, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stderr}\n{name}.py failed with exit code {done.returncode}")


def report(model_files):
    entries = json.loads((FOLDER / "accuracy.json").read_text())
    for model_file in model_files:
        size = f"{(FOLDER / model_file).stat().st_size / 1000:.0f} kB"
        entry = entries[model_file]
        for output, share in entry["accuracy"].items():
            print_row(model_file, output, entry["held_out"], f"{share:.2%}", size)


def print_row(model, output, held_out, share, size):
    print(f"{model:<26}{output:<10}{held_out:>8}{share:>11}{size:>9}", flush=True)


if __name__ == "__main__":
    main()
