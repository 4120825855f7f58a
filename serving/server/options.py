"""The options of a server, as given when it is started."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from serving.access.tls_reload import TlsFiles
from serving.transport.limits import Limits

MEGABYTE = 1 << 20

AGE_WITH_CLIENT_CERTIFICATES = 3600.0
"""Seconds after which a connection ends. A client's certificate is checked when it connects, and may expire later."""


class ControlMode(Enum):
    """How it is decided which models are loaded, and when."""

    NONE = "none"
    """All models in the repository are loaded once, at the start."""

    POLL = "poll"
    """All models in the repository are loaded; it is scanned at intervals."""

    EXPLICIT = "explicit"
    """Requests load and unload models."""


class FrontEnd(Enum):
    """What accepts connections and speaks HTTP/2."""

    AUTO = "auto"
    """The native front end where it can be used, grpcio elsewhere."""

    NATIVE = "native"
    GRPCIO = "grpcio"


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """The options of a server.

    Attributes:
        repository: The folder of models.
        host: The address to listen on.
        port: The port; 0 for any free one.
        metrics_port: The port for metrics; 0 for any free one, None for none.
        frontend: What accepts connections and speaks HTTP/2.
        max_message_size: Most bytes of a request.
        lame_duck_seconds: How long new requests are still answered after the server reports that it is not ready.
        drain_seconds: The longest time to answer the requests in flight when the server stops.
        control: How it is decided which models are loaded.
        poll_seconds: The interval between two scans of the repository, with ``POLL``.
        load_models: The models to load at the start, with ``EXPLICIT``; ``*`` for all.
        allow_shared_memory: Whether clients on this host may pass tensors in /dev/shm.
        tls: The files of certificates; None to serve without encryption.
        tokens: The file of bearer tokens; None to require none.
        allow_plain_tokens: Whether tokens may come unencrypted from other hosts.
        tensor_content: Whether Predict answers in ``tensor_content`` and not in the repeated field of each type.
        load_seconds: The longest time for opening a version that passed its trial.
    """

    repository: Path
    host: str = "127.0.0.1"
    port: int = 8001
    metrics_port: int | None = None
    frontend: FrontEnd = FrontEnd.AUTO
    max_message_size: int = 64 * MEGABYTE
    lame_duck_seconds: float = 2.0
    drain_seconds: float = 30.0
    control: ControlMode = ControlMode.NONE
    poll_seconds: float = 15.0
    load_models: tuple[str, ...] = ()
    allow_shared_memory: bool = False
    tls: TlsFiles | None = None
    tokens: Path | None = None
    allow_plain_tokens: bool = False
    tensor_content: bool = False
    load_seconds: float = 120.0

    @property
    def administration(self) -> bool:
        """Whether requests may change more than models: labels, and what is logged.

        They may if the control mode is ``EXPLICIT``, or if tokens say who may.
        """
        return self.control is ControlMode.EXPLICIT or self.tokens is not None

    @property
    def limits(self) -> Limits:
        """The limits for connections and requests."""
        checked = self.tls is not None and self.tls.client_ca is not None
        return Limits(self.max_message_size, age_seconds=AGE_WITH_CLIENT_CERTIFICATES if checked else None)
