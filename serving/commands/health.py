"""``plainserve health``: ask a server whether it serves; made to be a container's health check.

Exit codes: 0 it serves; 1 it does not, or cannot be reached in time; 2 usage. Health is asked without a token.
"""

import argparse
import sys
from typing import TYPE_CHECKING

from serving.commands import connection_options
from serving.commands.error_line import in_one_line
from serving.commands.number_types import seconds

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_parser(subparsers: "_SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser("health", help="exit 0 if a server, or one of its models, serves")
    connection_options.add_options(parser)
    parser.add_argument("--model", default="", metavar="NAME", help="ask about one model")
    parser.add_argument(
        "--timeout", type=seconds, default=5.0, metavar="SECONDS", help="of the call (default: %(default)s)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Ask once over grpc.health.v1 and print the status.

    Returns:
        The exit code.
    """
    import grpc  # noqa: PLC0415  `--help` needs none of it
    from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse  # noqa: PLC0415
    from grpc_health.v1.health_pb2_grpc import HealthStub  # noqa: PLC0415

    from serving.endpoint.client_credentials import CredentialsError, channel, named  # noqa: PLC0415
    from serving.endpoint.connection_advice import advised  # noqa: PLC0415

    try:
        credentials = connection_options.credentials(options)
    except CredentialsError as error:
        print(f"plainserve health: {error}", file=sys.stderr)  # noqa: T201  a command's output
        return 2
    what = f"model '{options.model}' at {options.server}" if options.model else options.server
    # A check of one's own container must not go out through a proxy that its environment names.
    settings = [*named(options.tls_name), ("grpc.enable_http_proxy", 0)]
    with channel(options.server, credentials, settings) as connected:
        try:
            answer = HealthStub(connected).Check(
                HealthCheckRequest(service=options.model), timeout=options.timeout
            )
        except grpc.RpcError as error:
            details = advised(error.details() or "", encrypted=credentials is not None)
            print(in_one_line(f"{what}: {error.code().name}: {details}"), file=sys.stderr)  # noqa: T201  a command's output
            return 1
    status = HealthCheckResponse.ServingStatus.Name(answer.status)
    print(f"{in_one_line(what)}: {status}")  # noqa: T201  a command's output
    return 0 if answer.status == HealthCheckResponse.SERVING else 1
