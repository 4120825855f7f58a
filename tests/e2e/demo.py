"""The main job on real models: convert, prove, serve, call. ``make demo`` runs this.

Each example model is converted with the command ``convert`` into a model repository, in each format that can be
served, and held to what its author's own Keras model answered on held-out digits. Then ``plainserve`` serves the
repository, and the held-out digits are sent to it: the served models must read them as the originals did.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from serving.client import Client

ROOT = Path(__file__).parents[2]
MODELS = sorted([*(ROOT / "models").glob("*.keras"), *(ROOT / "models").glob("*.h5")])
TARGETS = ("onnx", "tflite", "saved_model")
BATCH = 50


def main() -> int:
    """Run the demonstration and return its exit code."""
    console = Console(width=None if sys.stdout.isatty() else 150, highlight=False)
    with tempfile.TemporaryDirectory(prefix="plainserve-demo-") as folder:
        repository = Path(folder)
        console.print(
            "[bold]Convert and prove[/]  (errors: against Keras run live; recorded: against its author's run)"
        )
        console.print(_heading())
        for model in MODELS:
            _print_rows(console, model, _convert(model, repository))
        console.print("\n[bold]Serve and call[/]")
        with _server(repository) as line:
            console.print(line)
            return _call(console, line.split()[-1])


def _convert(model: Path, repository: Path) -> dict:
    samples = str(model.with_suffix(".npz"))
    command = [sys.executable, "-m", "converter", str(model), "--json", "--repository", str(repository)]
    command += ["--samples", samples, "--require-proof"]  # it holds the author's recorded answers too
    for target in TARGETS:
        command += ["--to", target]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(done.returncode)
    return json.loads(done.stdout)["models"][0]


_COLUMNS = (
    ("model", 23), ("format", 11), ("activations", 21), ("max error", 9), ("recorded", 8), ("top-1", 6),
    ("basis", 8), ("KiB", 4), ("operators", 40),
)  # fmt: skip
_RIGHT = {"max error", "recorded", "top-1", "KiB"}


def _heading() -> Table:
    table = _table()
    table.add_row(*(f"[dim]{name}[/]" for name, _ in _COLUMNS))
    return table


def _table() -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1))
    for name, width in _COLUMNS:
        table.add_column(width=width, justify="right" if name in _RIGHT else "left")
    return table


def _print_rows(console: Console, model: Path, result: dict) -> None:
    """A table of its own for each model, of fixed widths: rows appear as they are done."""
    table = _table()
    formulas = "\n".join(dict.fromkeys(found["formula"] for found in result["activations"]))
    for artefact in result["artefacts"]:
        outputs = artefact["parity"]["outputs"].values()
        recorded = artefact["parity"]["recorded"].values()
        agreement = min(each["top1_agreement"] for each in outputs if each["top1_agreement"] is not None)
        table.add_row(
            model.name if artefact is result["artefacts"][0] else "",
            artefact["target"],
            formulas,
            f"{max(each['max_absolute_error'] for each in outputs):.1e}",
            f"{max(each['max_absolute_error'] for each in recorded):.1e}",
            f"{agreement:.1%}",
            artefact["basis"],
            f"{artefact['bytes'] / 1024:.0f}",
            " ".join(name if n == 1 else f"{name}x{n}" for name, n in artefact["operators"].items()),
        )
    console.print(table)


@contextmanager
def _server(repository: Path) -> Iterator[str]:
    """``plainserve serve`` on a free port; yields the line with the front end and, last, the address."""
    command = [
        sys.executable,
        "-m",
        "serving",
        "serve",
        str(repository),
        "--port",
        "0",
        "--metrics-port",
        "0",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        try:
            line = server.stdout.readline() if server.stdout else ""
            if not line:
                sys.exit(f"the server did not start:\n{server.stderr.read() if server.stderr else ''}")
            yield line.rstrip()
        finally:
            server.terminate()
            server.wait(timeout=120)


def _call(console: Console, address: str) -> int:
    """Send the held-out digits to every served model; fail if one reads a digit otherwise than the original."""
    table = Table(box=None, padding=(0, 1), header_style="dim")
    for name in (
        "model",
        "format",
        "output",
        "digits",
        "original",
        "served",
        "largest difference on the wire",
    ):
        table.add_column(name, justify="right" if name in {"digits", "original", "served"} else "left")
    largest, unequal = 0.0, 0
    with Client(address) as client:
        for model in MODELS:
            held_out = dict(np.load(model.with_suffix(".npz")))
            for target in TARGETS:
                answers = _predict(client, f"{model.stem}_{target}", held_out)
                for name, answer in answers.items():
                    labels = held_out[f"{name}_label"]
                    before, after = _accuracy(held_out[name], labels), _accuracy(answer, labels)
                    difference = float(np.abs(answer - held_out[name]).max())
                    largest, unequal = max(largest, difference), unequal + (before != after)
                    table.add_row(
                        model.name,
                        target,
                        name,
                        f"{len(labels)}",
                        f"{before:.2%}",
                        f"{after:.2%}",
                        f"{difference:.1e}",
                    )
    console.print(table)
    console.print(f"\nlargest difference on the wire: {largest:.2e}")
    console.print("[red]an accuracy differs[/]" if unequal else "every accuracy is that of the original")
    return 1 if unequal else 0


def _predict(client: Client, model: str, held_out: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    metadata = client.metadata(model)
    inputs = {tensor.name: held_out[tensor.name] for tensor in metadata.inputs}
    rows = len(next(iter(inputs.values())))
    parts = [
        client.infer(model, {name: array[start : start + BATCH] for name, array in inputs.items()})
        for start in range(0, rows, BATCH)
    ]
    return {tensor.name: np.concatenate([part[tensor.name] for part in parts]) for tensor in metadata.outputs}


def _accuracy(answers: np.ndarray, labels: np.ndarray) -> float:
    """The share read correctly: the likeliest class, or for a single probability whether it is over a half."""
    read = answers[:, 0] > 0.5 if answers.shape[1] == 1 else answers.argmax(axis=1)
    return float((read == labels).mean())


if __name__ == "__main__":
    sys.exit(main())
