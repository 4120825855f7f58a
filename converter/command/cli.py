"""The command ``convert``: describe a Keras model, or turn it into artefacts that are proved equal to it.

Exit codes: 0 done; 1 unexpected; 2 usage; 3 not a Keras model, damaged or unsafe; 4 not supported;
5 parity missed; 6 the environment lacks something. With several models, that of the first that failed. 128 and its
number for a signal that ended it: 129 SIGHUP, 130 SIGINT, 143 SIGTERM.
"""

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from converter.command.progress_line import Terminal
from converter.errors import ConversionError, EnvironmentLacksError
from converter.process.controller import overseen
from converter.process.environment_errors import lack
from converter.process.termination import SIGNALS, Ended, heeded
from plainserve import __version__

_DESCRIPTION = """\
Turn Keras models that use PSS, SS or RationalSS into plain ONNX, TFLite, SavedModel or Keras files,
and prove that each answers as the original does. Without --to, describe them.
"""

_EPILOG = """\
examples:
  convert model.keras                          describe it: nothing is run or written
  convert model.keras --to onnx                write model.onnx beside it, proved equal
  convert a.keras b.h5 --to onnx --to tflite --output artefacts
  convert model.json --weights model.weights.h5 --to onnx
  convert model.keras --to onnx --repository models --name digits
  convert model.keras --to onnx --activation lambda=rational_ss:a=1.5,b=0.8

exit codes: 0 done, 1 unexpected, 2 usage, 3 not a Keras model, damaged or unsafe, 4 not supported,
5 parity missed, 6 the environment lacks something; 129, 130, 143 ended by SIGHUP, SIGINT, SIGTERM
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    terminal = Terminal()
    try:
        with heeded(*SIGNALS), overseen(terminal):
            _require_stdout()
            return _run(arguments, terminal)
    except BrokenPipeError:  # whoever read our output has left, as `head` does
        return 141
    except (Ended, KeyboardInterrupt) as error:
        ended = error if isinstance(error, Ended) else Ended(signal.SIGINT)
        terminal.printing()
        published = ", ".join(terminal.published) or "nothing"
        _say(f"ended by {ended.number.name}; published until then: {published}")
        return ended.exit_code
    except Exception as error:
        terminal.printing()
        known = lack(error) or error
        if isinstance(known, ConversionError):
            _say(str(known))
            return known.exit_code
        if os.environ.get("PLAINSERVE_TRACEBACK"):
            raise
        _say(
            f"unexpected {type(error).__name__}: {error}\n"
            "This is a defect in Plainserve; PLAINSERVE_TRACEBACK=1 shows where."
        )
        return 1
    finally:
        _give_up_unwritten()


def _run(arguments: Sequence[str] | None, terminal: Terminal) -> int:
    words = sys.argv[1:] if arguments is None else list(arguments)
    options = parser().parse_args(words)
    terminal.shown = not options.json
    terminal.phase(f"{options.models[0].name}: starting")
    from converter.command.run import run  # noqa: PLC0415  --help and --version must not wait for numpy

    return run(options, words)


def _require_stdout() -> None:
    """Give every standard stream a descriptor: else the next file that is opened would take its place."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free, which is this one
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w")
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w")
        raise EnvironmentLacksError("is closed", where="stdout", hint="Send it to a file, or to /dev/null.")


def _give_up_unwritten() -> None:
    """What could not be written to stdout cannot be at the end either, where Python would complain of it."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # stderr was closed: nobody reads it
        sys.stderr.write(f"convert: {text}\n")
        sys.stderr.flush()


def parser() -> argparse.ArgumentParser:
    """The command line."""
    from converter.exporters import TARGETS  # noqa: PLC0415  signals are heeded by now

    made = argparse.ArgumentParser(
        prog="convert",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "models", nargs="+", type=Path, metavar="MODEL", help=".keras or .h5 file, or JSON with --weights"
    )
    made.add_argument(
        "--to", action="append", default=[], choices=list(TARGETS), metavar="FORMAT", help=", ".join(TARGETS)
    )
    made.add_argument("--version", action="version", version=f"plainserve {__version__}")
    made.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    _add_places(made.add_argument_group("where to"))
    _add_model(made.add_argument_group("what the file does not say"))
    _add_proof(made.add_argument_group("proof"))
    _add_budget(made.add_argument_group("budget of each model"))
    return made


def _add_places(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--output", type=Path, metavar="DIR", help="folder for the artefacts (beside the source)"
    )
    group.add_argument(
        "--repository", type=Path, metavar="DIR", help="add versions to a model repository instead"
    )
    group.add_argument("--name", metavar="NAME", help="name in the repository (the source's)")
    group.add_argument(
        "--skip-unchanged",
        action="store_true",
        help="leave a model alone whose newest versions were made from the same file, options and tools",
    )


def _add_model(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--weights", type=Path, metavar="H5", help="weights of a MODEL that is the JSON of model.to_json()"
    )
    group.add_argument(
        "--activation",
        action="append",
        default=[],
        metavar="LAYER=FORMULA",
        help="pss:alpha=3, ss, rational_ss:a=1.5,b=0.8 or polynomial_ss:limit=3,c0=0.5,c1=0.2",
    )
    group.add_argument(
        "--input-shape",
        action="append",
        default=[],
        metavar="[NAME=]SIZES",
        help="784 or image=8,8,1; no batch",
    )
    group.add_argument("--batch", type=int, metavar="N", help="fix the batch size (free)")
    group.add_argument("--opset", type=int, default=18, metavar="N", help="ONNX opset, 13 to 18 (18)")
    group.add_argument("--no-fold", action="store_true", help="keep scales as operators of their own")


def _add_proof(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--custom-objects",
        type=Path,
        metavar="PY",
        help="run this file of yours: its classes and functions decide",
    )
    group.add_argument(
        "--samples", type=Path, metavar="NPZ", help="your own inputs, with your model's answers if recorded"
    )
    group.add_argument(
        "--expected", type=Path, metavar="NPZ", help="those answers, if they are in another file"
    )
    group.add_argument("--atol", type=float, metavar="X", help="absolute tolerance (float32: 1e-5)")
    group.add_argument("--rtol", type=float, metavar="X", help="relative tolerance (float32: 1e-4)")
    group.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the probes (0)")
    group.add_argument(
        "--require-proof", action="store_true", help="publish nothing whose formulas are stated or assumed"
    )
    group.add_argument("--no-parity", action="store_true", help="publish unproved, stamped unverified")
    group.add_argument(
        "--keep-failed", type=Path, metavar="DIR", help="put what misses parity there, for study"
    )
    group.add_argument(
        "--allow-nonfinite", action="store_true", help="accept NaN and infinity among the weights"
    )


def _add_budget(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--timeout", type=float, metavar="SECONDS", default=3600.0, help="give up after (3600)"
    )
    group.add_argument("--max-memory", type=int, metavar="MIB", help="give up beyond (what the machine has)")
