"""``plainserve predict``: send a file's samples to a model and print its answer.

Exit codes: 0 done; 1 the server said no, or cannot be reached; 2 usage, or an input that does not fit the
model, whoever noticed; 6 reading the file needs a package that is not installed.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from serving.client import Answer


def add_parser(subparsers: "_SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("predict", help="send a file's samples to a model and print its answer")
    parser.add_argument("model", metavar="MODEL", help="its name")
    parser.add_argument(
        "--input", required=True, type=Path, metavar="FILE", help=".npy, .npz, .json, .csv or an image"
    )
    parser.add_argument(
        "--server", default="127.0.0.1:8001", metavar="HOST:PORT", help="default: %(default)s"
    )
    parser.add_argument("--version", default="", metavar="V", help="default: the server's choice")
    parser.add_argument(
        "--output", action="append", default=[], metavar="NAME", help="only this output; may be repeated"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS", help="default: %(default)s")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Read the file, call the model, print the answer.

    Returns:
        The exit code.
    """
    from serving.client.errors import ClientError, InputError, InvalidArgumentError  # noqa: PLC0415  --help is fast
    from serving.commands.image_file import PackageMissingError  # noqa: PLC0415
    from serving.commands.input_file import InputFileError  # noqa: PLC0415

    try:
        answer = ask(options)
    except PackageMissingError as error:
        return fail(error, 6)
    except (InputFileError, InputError, InvalidArgumentError, ValueError) as error:
        return fail(error, 2)
    except ClientError as error:
        return fail(f"{options.server}: {error}", 1)
    show(answer, as_json=options.json)
    return 0


def ask(options: argparse.Namespace) -> "Answer":
    """Call the model with what the file holds."""
    from serving.client import Client  # noqa: PLC0415  --help is fast
    from serving.commands.input_file import InputFileError, read  # noqa: PLC0415

    if not options.input.is_file():
        raise InputFileError(f"{options.input}: there is no such file")
    with Client(options.server, timeout=options.timeout) as client:
        inputs = read(options.input, client.metadata(options.model, options.version))
        return client.infer(options.model, inputs, version=options.version, outputs=options.output)


def show(answer: "Answer", *, as_json: bool) -> None:
    """Print an answer: JSON if asked for, a table on a terminal, else lines."""
    from serving.commands import answer_text  # noqa: PLC0415  --help is fast

    if as_json:
        sys.stdout.write(answer_text.as_json(answer) + "\n")
    elif sys.stdout.isatty():
        from rich.console import Console  # noqa: PLC0415

        Console().print(answer_text.as_table(answer))
    else:
        sys.stdout.writelines(f"{line}\n" for line in answer_text.as_lines(answer))


def fail(error: Exception | str, code: int) -> int:
    """Say in one line what is wrong, and hand back the exit code."""
    sys.stderr.write(f"plainserve predict: {' '.join(str(error).split())}\n")
    return code
