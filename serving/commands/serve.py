"""``plainserve serve REPOSITORY``: serve the models in a folder over gRPC until a signal says to stop."""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING

from serving.commands import log_format, serve_options
from serving.commands.process_exit import end_process
from serving.transport.listen_address import is_loopback

if TYPE_CHECKING:
    from serving.trial_load.trial_runner import TrialRunner

log = logging.getLogger(__name__)


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "serve",
        help="serve the models in a folder",
        description="Serve the models in a folder over gRPC. Prints one line once it is ready; "
        "On SIGTERM it reports that it is stopping, answers what it has accepted, and exits; on SIGINT it does "
        "so without --lame-duck-seconds. A second signal ends it at once.",
    )
    serve_options.add_options(parser)
    parser.set_defaults(run=run)


def _warn_if_open(options: argparse.Namespace) -> None:
    """Warn that anyone who can reach the server can use it; once, however many workers there are."""
    if not (options.tls_certificate or options.tokens or is_loopback(options.host)):
        log.warning(
            "whoever can reach %s can use this server, and what is sent to it can be read on its way; add "
            "--tls-certificate, --tls-key and --tokens, or listen with --host 127.0.0.1",
            options.host,
        )


def run(options: argparse.Namespace) -> int:
    """Serve until a signal says to stop.

    Returns:
        The exit code.
    """
    if contradiction := serve_options.contradiction(options):
        print(f"plainserve serve: {contradiction}", file=sys.stderr)  # noqa: T201  an error for the person who typed it
        return 2
    from serving.errors import StartupError  # noqa: PLC0415  --help needs none of this
    from serving.server import frontend_choice  # noqa: PLC0415  likewise
    from serving.server.options import FrontEnd  # noqa: PLC0415  likewise

    log_format.set_up(options.log_format, options.log_level)
    _warn_if_open(options)
    # gRPC's core, in workers too, would write a line past our log for each client whose handshake fails.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    try:
        frontend = frontend_choice.choose(FrontEnd(options.frontend))
        options.frontend = frontend.value
        # The supervisor of workers carries no calls.
        factory = frontend_choice.loop_factory(frontend) if options.workers == 1 else None
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(_serve_to_the_end(options))
    except StartupError as error:
        print(f"plainserve serve: {error}", file=sys.stderr)  # noqa: T201  an error for the person who typed it
        return error.exit_code


async def _serve_to_the_end(options: argparse.Namespace) -> int:
    drained = await _serving(options)
    if not drained:
        text = "plainserve serve: ended before all that was accepted was answered"
        print(text, file=sys.stderr, flush=True)  # noqa: T201  why the exit code is 1
    return end_process(drained=drained)


def _serving(options: argparse.Namespace) -> Coroutine[None, None, bool]:
    """Serves, in this process or in workers; returns whether all that was accepted was answered."""
    if options.workers == 1:
        return _in_this_process(options)
    from serving.server.options import FrontEnd  # noqa: PLC0415  --help does not need it
    from serving.workers.options import SupervisorOptions  # noqa: PLC0415  a single process needs neither
    from serving.workers.supervisor import supervise  # noqa: PLC0415  likewise

    supervised = SupervisorOptions(
        workers=options.workers,
        host=options.host,
        port=options.port,
        metrics_port=options.metrics_port,
        frontend=FrontEnd(options.frontend),
        poll_seconds=options.repository_poll_secs if options.model_control_mode == "poll" else None,
        stop_seconds=options.lame_duck_seconds + options.drain_seconds,
        arguments=(*options.arguments, "--frontend", options.frontend),
    )
    return supervise(supervised, _announce)


async def _in_this_process(options: argparse.Namespace) -> bool:
    trials = trial_runner(options)
    if trials is not None:
        # The fork server imports the runtimes while this process imports gRPC.
        trials.prepare()
    from serving.server.serve import serve  # noqa: PLC0415  gRPC and numpy, which a supervisor does not need

    try:
        return await serve(serve_options.server_options(options), _announce, trials)
    finally:
        if trials is not None:
            trials.close()


def _announce(line: str) -> None:
    print(line, flush=True)  # noqa: T201  the one line


def trial_runner(options: argparse.Namespace) -> "TrialRunner | None":
    """Makes the trial loads; None if versions are loaded without a trial."""
    from serving.trial_load.limits import MEBIBYTE, Limits  # noqa: PLC0415  --help needs none of it
    from serving.trial_load.trial_runner import SUPPORTED, TrialRunner  # noqa: PLC0415  likewise

    if options.no_trial_load:
        return None
    if not SUPPORTED:
        log.warning("versions are opened without a trial: only Linux has what that needs")
        return None
    return TrialRunner(Limits(options.load_timeout, (options.load_memory or 0) * MEBIBYTE))
