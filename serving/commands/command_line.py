"""The command line of ``plainserve``: one parser with a subparser for each command."""

import argparse

from plainserve import __version__
from serving.commands import health, predict, serve


def parser() -> argparse.ArgumentParser:
    """The parser. Each subcommand sets ``run``, a function that takes the parsed options."""
    top = argparse.ArgumentParser(
        prog="plainserve",
        description="Serve a repository of ONNX, TFLite and SavedModel models over gRPC, and call it.",
    )
    top.add_argument("--version", action="version", version=f"plainserve {__version__}")
    subparsers = top.add_subparsers(metavar="COMMAND", required=True)
    for command in (serve, predict, health):
        command.add_parser(subparsers)
    return top
