"""The options of a server with several workers."""

from dataclasses import dataclass

from serving.server.options import FrontEnd


@dataclass(frozen=True, slots=True)
class SupervisorOptions:
    """What the supervisor needs to know of the command line.

    Attributes:
        workers: The number of workers.
        host: The address to listen on.
        port: The port; 0 for any free one.
        metrics_port: The port for metrics; 0 for any free one, None for none.
        frontend: The front end that was chosen, for all workers.
        poll_seconds: Seconds between two polls of the repository; None for no polls.
        stop_seconds: Most time that a worker takes to end after SIGTERM.
        arguments: The command line, which each worker parses again for everything else.
    """

    workers: int
    host: str
    port: int
    metrics_port: int | None
    frontend: FrontEnd
    poll_seconds: float | None
    stop_seconds: float
    arguments: tuple[str, ...]
