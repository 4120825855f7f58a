"""What the person who starts the server decides."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from serving.access.tls_reload import TlsFiles
from serving.transport.limits import Limits

MEGABYTE = 1 << 20

AGE_WITH_CLIENT_CERTIFICATES = 3600.0
"""Seconds: a client's certificate is checked when it connects, and may expire or be revoked later."""


class ControlMode(Enum):
    """Who decides which models are loaded, and when."""

    NONE = "none"
    """What lies in the repository at the start, once."""

    POLL = "poll"
    """What lies in the repository, looked at again and again."""

    EXPLICIT = "explicit"
    """Requests."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What the person who starts the server decides.

    Attributes:
        repository: The folder of models.
        host: The address to listen on.
        port: The port; 0 for any free one.
        metrics_port: The port for metrics; 0 for any free one, None for none.
        max_message_size: Most bytes of a request.
        lame_duck_seconds: How long new requests are still answered once the server said that it is leaving.
        drain_seconds: Most time for answering, at the end, what was accepted.
        control: Who decides which models are loaded.
        poll_seconds: How often the repository is looked at, if it is.
        load_models: What is loaded at the start if requests decide the rest; ``*`` for all.
        allow_shared_memory: Whether clients on this host may pass tensors in /dev/shm.
        tls: Where certificates lie; None to speak without encryption.
        tokens: Where bearer tokens lie; None to ask for none.
        allow_plain_tokens: Whether tokens may come unencrypted from other hosts.
        tensor_content: Whether Predict answers in ``tensor_content`` and not in the list of each type.
        load_seconds: Most time for opening a version that was tried.
    """

    repository: Path
    host: str = "127.0.0.1"
    port: int = 8001
    metrics_port: int | None = None
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

        They may where they decide what is loaded, and where a token says that they may.
        """
        return self.control is ControlMode.EXPLICIT or self.tokens is not None

    @property
    def limits(self) -> Limits:
        """What clients may do."""
        checked = self.tls is not None and self.tls.client_ca is not None
        return Limits(self.max_message_size, age_seconds=AGE_WITH_CLIENT_CERTIFICATES if checked else None)
