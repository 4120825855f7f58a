"""The options of ``plainserve serve``: declares them, checks them, and makes the server's options from them."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from serving.commands.number_types import YEAR, between, duration, port, seconds, whole

if TYPE_CHECKING:
    from serving.server.options import ServerOptions

MEGABYTE = 1 << 20

MOST_MESSAGE = 2047
"""MiB. gRPC counts the bytes of a message in 31 bits, and protobuf reads no longer ones."""

MOST_WORKERS = 1024
"""More than there are processors in one machine."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare every option of the command."""
    _add_endpoint_options(parser)
    _add_repository_options(parser)
    _add_trial_options(parser)
    _add_security_options(parser)
    _add_request_options(parser)
    _add_process_options(parser)
    _add_log_options(parser)


def _add_endpoint_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "repository", metavar="REPOSITORY", type=Path, help="folder of models, laid out as MODEL/VERSION/FILE"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port",
        type=port,
        default=8001,
        help="port to listen on; 0 picks a free one (default: %(default)s)",
    )
    parser.add_argument(
        "--metrics-port",
        metavar="PORT",
        type=_metrics_port,
        default=8002,
        help="port for Prometheus metrics, http://HOST:PORT/metrics; 0 picks a free one, off disables it "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--frontend",
        choices=("auto", "native", "grpcio"),
        default="auto",
        help="what accepts connections and speaks HTTP/2: the native front end, which is the faster one, grpcio, or "
        "native where it can be used and grpcio elsewhere (default: %(default)s)",
    )


def _add_repository_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model-control-mode",
        choices=("none", "poll", "explicit"),
        default="none",
        help="which models are loaded: those in the repository at the start; those in it at any time, by polling; "
        "or those that requests load (default: %(default)s)",
    )
    parser.add_argument(
        "--repository-poll-secs",
        metavar="S",
        type=seconds,
        default=15.0,
        help="with poll: seconds between two looks (default: %(default)s)",
    )
    parser.add_argument(
        "--load-model",
        metavar="NAME",
        action="append",
        default=[],
        help="with explicit: a model to load at the start; may be repeated; * for all",
    )


def _add_trial_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--load-timeout",
        metavar="S",
        type=seconds,
        default=120.0,
        help="most time for the trial load of a version, which runs in a separate process (default: %(default)s)",
    )
    parser.add_argument(
        "--load-memory",
        metavar="MIB",
        type=between(whole, 1, 1 << 30),
        help="most memory for the trial load, in MiB (default: three quarters of the machine's or the container's)",
    )
    parser.add_argument(
        "--no-trial-load",
        action="store_true",
        help="load versions without a trial; a version that hangs or crashes does so in the server",
    )


def _add_security_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tls-certificate",
        metavar="FILE",
        type=Path,
        help="serve with TLS; the certificate of the server in PEM, read again when it changes",
    )
    parser.add_argument("--tls-key", metavar="FILE", type=Path, help="the certificate's private key in PEM")
    parser.add_argument(
        "--tls-client-ca",
        metavar="FILE",
        type=Path,
        help="accept only clients with a certificate that this authority has signed, in PEM",
    )
    parser.add_argument(
        "--tokens",
        metavar="FILE",
        type=Path,
        help="require bearer tokens; each line of the file is 'inference TOKEN' or 'administration TOKEN', "
        "read again when it changes",
    )
    parser.add_argument(
        "--allow-plain-tokens",
        action="store_true",
        help="accept tokens without TLS from other hosts, because a proxy in front ends TLS",
    )


def _add_request_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--allow-shared-memory",
        action="store_true",
        help="let clients on this host pass tensors in /dev/shm",
    )
    parser.add_argument(
        "--max-message-size",
        metavar="MIB",
        type=between(whole, 1, MOST_MESSAGE),
        default=64,
        help=f"largest request, in MiB, at most {MOST_MESSAGE} (default: %(default)s)",
    )
    parser.add_argument(
        "--enable-serialization-as-tensor-content",
        action="store_true",
        help="answer Predict in tensor_content instead of float_val and the like, as TensorFlow Serving's option "
        "of that name does",
    )


def _add_process_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--lame-duck-seconds",
        metavar="S",
        type=duration,
        default=2.0,
        help="seconds after SIGTERM in which requests are still accepted while health says NOT_SERVING "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--drain-seconds",
        metavar="S",
        type=between(whole, 1, YEAR),
        default=30,
        help="most time at the end for answering the requests that were accepted (default: %(default)s)",
    )
    parser.add_argument(
        "--workers",
        metavar="N",
        type=between(whole, 1, MOST_WORKERS),
        default=1,
        help="processes that share the port; a process that ends or hangs is replaced (default: %(default)s)",
    )


def _add_log_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--log-format",
        choices=("text", "json"),
        default="text",
        help="format of the log (default: %(default)s)",
    )
    parser.add_argument(
        "--log-level",
        choices=("error", "warning", "info", "debug"),
        default="warning",
        help="info and debug log a line for each request (default: %(default)s)",
    )


def contradiction(options: argparse.Namespace) -> str:
    """Which options do not go together; empty if all do."""
    if options.load_model and options.model_control_mode != "explicit":
        return "--load-model needs --model-control-mode explicit"
    if (options.tls_certificate is None) != (options.tls_key is None):
        return "--tls-certificate and --tls-key need each other"
    if options.tls_client_ca and not options.tls_certificate:
        return "--tls-client-ca needs --tls-certificate and --tls-key"
    return ""


def server_options(options: argparse.Namespace) -> "ServerOptions":
    """What the person who typed these options decides."""
    from serving.access.tls_reload import TlsFiles  # noqa: PLC0415  likewise
    from serving.server.options import ControlMode, FrontEnd, ServerOptions  # noqa: PLC0415  --help needs none of it

    certificates = (options.tls_certificate, options.tls_key, options.tls_client_ca)
    return ServerOptions(
        repository=options.repository,
        host=options.host,
        port=options.port,
        metrics_port=options.metrics_port,
        frontend=FrontEnd(options.frontend),
        control=ControlMode(options.model_control_mode),
        poll_seconds=options.repository_poll_secs,
        load_models=tuple(options.load_model),
        allow_shared_memory=options.allow_shared_memory,
        tensor_content=options.enable_serialization_as_tensor_content,
        tls=TlsFiles(*certificates) if options.tls_certificate else None,
        tokens=options.tokens,
        allow_plain_tokens=options.allow_plain_tokens,
        max_message_size=options.max_message_size * MEGABYTE,
        lame_duck_seconds=options.lame_duck_seconds,
        drain_seconds=options.drain_seconds,
        load_seconds=options.load_timeout,
    )


def _metrics_port(text: str) -> int | None:
    return None if text == "off" else port(text)
