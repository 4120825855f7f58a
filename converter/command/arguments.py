"""The arguments of the command ``convert``."""

import argparse
from pathlib import Path

from converter.exporters.target_formats import TARGETS
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


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
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
        "--to",
        action="append",
        default=[],
        choices=list(TARGETS),
        metavar="FORMAT",
        help=f"{', '.join(TARGETS)}; may be repeated",
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
        help="skip a model whose newest versions were made from the same file, options and tools",
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
        help="Python file with your classes and functions; it is run, and what they compute counts",
    )
    group.add_argument(
        "--samples",
        type=Path,
        metavar="NPZ",
        help="your own inputs, with your model's recorded answers if you have them",
    )
    group.add_argument(
        "--expected", type=Path, metavar="NPZ", help="the recorded answers, if they are in another file"
    )
    group.add_argument("--atol", type=float, metavar="X", help="absolute tolerance (float32: 1e-5)")
    group.add_argument("--rtol", type=float, metavar="X", help="relative tolerance (float32: 1e-4)")
    group.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the probes (0)")
    group.add_argument(
        "--require-proof", action="store_true", help="publish nothing whose formulas are stated or assumed"
    )
    group.add_argument(
        "--no-parity", action="store_true", help="publish without comparing; artefacts are stamped unverified"
    )
    group.add_argument(
        "--keep-failed", type=Path, metavar="DIR", help="keep artefacts that miss parity in this folder"
    )
    group.add_argument(
        "--allow-nonfinite", action="store_true", help="accept NaN and infinity among the weights"
    )


def _add_budget(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--timeout", type=float, metavar="SECONDS", default=3600.0, help="give up after (3600)"
    )
    group.add_argument("--max-memory", type=int, metavar="MIB", help="give up beyond (what the machine has)")
