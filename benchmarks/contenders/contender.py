"""What a server must provide to be compared."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import trustme

from benchmarks.load.sample import Sample
from benchmarks.workloads import Prepared, Workload

Measure = Callable[[float], Sample]
"""Puts a load on a running server for some seconds."""


@dataclass(frozen=True)
class Certificate:
    """A certificate for 127.0.0.1, in files of PEM.

    Attributes:
        chain: The certificate.
        key: Its private key.
        authority: The certificate that it was signed with.
    """

    chain: Path
    key: Path
    authority: Path


def make_certificate(folder: Path) -> Certificate:
    """Make an authority and a certificate that it has signed."""
    authority = trustme.CA()
    made = authority.issue_cert("127.0.0.1")
    found = Certificate(folder / "chain.pem", folder / "key.pem", folder / "authority.pem")
    made.cert_chain_pems[0].write_to_path(found.chain)
    made.private_key_pem.write_to_path(found.key)
    authority.cert_pem.write_to_path(found.authority)
    found.key.chmod(0o600)
    return found


@dataclass(frozen=True)
class Setting:
    """What a server is started with.

    Attributes:
        prepared: The workload and its models.
        folder: An empty folder for the server's files.
        certificate: With TLS, what it proves itself with.
    """

    prepared: Prepared
    folder: Path
    certificate: Certificate | None


class Contender(Protocol):
    """A server, or a library, that is compared.

    Attributes:
        title: Its name in the tables.
    """

    @property
    def title(self) -> str: ...  # noqa: D102  described above

    def absent(self, workload: Workload) -> str | None:
        """Why it is not measured under a workload, for the table; empty if the table omits it, None if it is."""

    def running(self, setting: Setting) -> AbstractContextManager[Measure]:
        """Start it, check its answers, and stop it at the end.

        Raises:
            StartError: It does not start.
            LoadError: Its answers are wrong.
        """
