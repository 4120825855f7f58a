"""``plainserve predict``: send a file's samples to a model and print its answer.

Exit codes: 0 done; 1 the server said no, or cannot be reached; 2 usage, or an input that does not fit the
model, whoever noticed; 6 reading the file needs a package that is not installed.
"""

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from serving.commands import connection_options
from serving.commands.error_line import in_one_line
from serving.commands.number_types import between, seconds, whole

if TYPE_CHECKING:
    from argparse import _SubParsersAction
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from serving.client import Answer

ROWS_A_REQUEST: Final = 32
"""Within the 64 that a server takes of a model without a config."""

MOST_CALLERS: Final = 10_000
"""Of a benchmark: ten times what a server answers at a time on one connection."""


def add_parser(subparsers: "_SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("predict", help="send a file's samples to a model and print its answer")
    parser.add_argument("model", metavar="MODEL", help="name of the model on the server")
    parser.add_argument(
        "--input", required=True, type=Path, metavar="FILE", help=".npy, .npz, .json, .csv or an image"
    )
    connection_options.add_options(parser)
    connection_options.add_token_option(parser)
    parser.add_argument(
        "--version", default="", metavar="V", help="version of the model (default: the server chooses)"
    )
    parser.add_argument(
        "--output",
        action="append",
        default=[],
        metavar="NAME",
        help="return only this output; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--timeout", type=seconds, default=30.0, metavar="SECONDS", help="of a call (default: %(default)s)"
    )
    parser.add_argument(
        "--benchmark",
        type=seconds,
        metavar="SECONDS",
        help="repeat the call for this time; print requests per second and percentiles",
    )
    parser.add_argument(
        "--concurrency",
        type=between(whole, 1, MOST_CALLERS),
        default=1,
        metavar="N",
        help="concurrent calls of a benchmark (default: 1)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Read the file, call the model, print the answer.

    Returns:
        The exit code.
    """
    from serving.client import errors  # noqa: PLC0415  --help is fast
    from serving.commands.image_file import PackageMissingError  # noqa: PLC0415
    from serving.commands.input_file import InputFileError  # noqa: PLC0415
    from serving.endpoint.client_credentials import CredentialsError  # noqa: PLC0415

    try:
        (benchmark if options.benchmark else ask)(options)
    except PackageMissingError as error:
        return fail(error, 6)
    except (
        InputFileError,
        errors.AddressError,
        CredentialsError,
        errors.InputError,
        errors.InvalidArgumentError,
    ) as error:
        return fail(error, 2)
    except errors.ClientError as error:
        return fail(f"{options.server}: {error}", 1)
    return 0


def ask(options: argparse.Namespace) -> None:
    """Call the model once and print its answer: JSON if asked for, a table on a terminal, else lines."""
    from serving.commands import answer_format  # noqa: PLC0415  --help is fast

    answer, _ = call(options)
    if options.json:
        sys.stdout.write(answer_format.as_json(answer) + "\n")
    elif sys.stdout.isatty():
        from rich.console import Console  # noqa: PLC0415

        Console().print(answer_format.as_table(answer))
    else:
        sys.stdout.writelines(f"{line}\n" for line in answer_format.as_lines(answer))


def benchmark(options: argparse.Namespace) -> None:
    """Call the model for a while and print how fast it answered."""
    from serving.client import AsyncClient, Retry  # noqa: PLC0415  --help is fast
    from serving.commands.load_generator import drive  # noqa: PLC0415

    _, inputs = call(options)  # what is refused is not worth measuring
    report = drive(
        lambda: AsyncClient(
            options.server, timeout=options.timeout, retry=Retry(attempts=1), **_security(options)
        ),
        options.model,
        inputs,
        version=options.version,
        outputs=options.output,
        seconds=options.benchmark,
        concurrency=options.concurrency,
    )
    sys.stdout.write((json.dumps(dataclasses.asdict(report)) if options.json else str(report)) + "\n")


def call(options: argparse.Namespace) -> "tuple[Answer, dict[str, NDArray[Any]]]":
    """Read the file and call the model with it; more rows than fit one request go in several.

    Returns:
        The answer to all rows, and the inputs of the first request, for further calls.
    """
    import numpy as np  # noqa: PLC0415  --help is fast

    from serving.client import Client  # noqa: PLC0415
    from serving.commands.input_file import read  # noqa: PLC0415

    with Client(options.server, timeout=options.timeout, **_security(options)) as client:
        metadata = client.metadata(options.model, options.version)
        inputs = read(options.input, metadata, note)
        batched = all(tensor.shape[:1] == (-1,) for tensor in metadata.inputs)
        parts = list(_parts(inputs)) if batched else [inputs]
        answers = [
            client.infer(options.model, part, version=options.version, outputs=options.output)
            for part in parts
        ]
    whole = answers[0]
    for name in whole if len(answers) > 1 else ():
        whole[name] = np.concatenate([answer[name] for answer in answers])
    return whole, parts[0]


def _security(options: argparse.Namespace) -> "dict[str, Any]":
    """What a client needs to be let in, as its keyword arguments."""
    return {
        "credentials": connection_options.credentials(options),
        "server_name": options.tls_name,
        "token": connection_options.token(options),
    }


def _parts(inputs: "dict[str, NDArray[Any]]") -> "Iterator[dict[str, NDArray[Any]]]":
    rows = min(len(array) for array in inputs.values())
    if any(len(array) != rows for array in inputs.values()) or rows <= ROWS_A_REQUEST:
        yield inputs  # where the numbers of rows differ, the server's error says it best
        return
    for start in range(0, rows, ROWS_A_REQUEST):
        yield {name: array[start : start + ROWS_A_REQUEST] for name, array in inputs.items()}


def fail(error: Exception | str, code: int) -> int:
    """Say in one line what is wrong, and hand back the exit code."""
    note(str(error))
    return code


def note(text: str) -> None:
    """Say something in one line on stderr."""
    sys.stderr.write(f"plainserve predict: {in_one_line(text)}\n")
