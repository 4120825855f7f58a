"""The ``plainserve`` command.

Exit codes: 0 done; 1 failed; 2 usage, or a repository that is missing or empty; 6 the environment lacks
something; 130 interrupted; 141 the reader of a pipe left.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from plainserve import __version__
from serving.commands import health, predict, serve


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: What follows the program's name; the process's own if None.

    Returns:
        The exit code.
    """
    typed = [*(sys.argv[1:] if arguments is None else arguments)]
    options = parser().parse_args(typed)
    options.arguments = typed
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read our output has left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:  # a server that serves has ways of its own to end
        sys.stderr.write("plainserve: interrupted\n")
        return 130
    return code


def parser() -> argparse.ArgumentParser:
    """The command line's grammar; each subcommand sets ``run``, a function of the parsed options."""
    top = argparse.ArgumentParser(
        prog="plainserve",
        description="Serve a repository of ONNX, TFLite and SavedModel models over gRPC, and call it.",
    )
    top.add_argument("--version", action="version", version=f"plainserve {__version__}")
    subparsers = top.add_subparsers(metavar="COMMAND", required=True)
    for command in (serve, predict, health):
        command.add_parser(subparsers)
    return top
