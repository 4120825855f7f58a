"""grpcio's credentials for a port that speaks TLS."""

from collections.abc import Callable

import grpc

from serving.transport.tls import TlsIdentity, TlsSource


def server_credentials(source: TlsSource) -> grpc.ServerCredentials:
    """What a port needs to speak TLS; new connections get the identity that is current then.

    Args:
        source: Gives the identity.
    """
    identity = source.current()
    return grpc.dynamic_ssl_server_credentials(
        _configuration(identity),
        _changes(source, identity),  # type: ignore[arg-type]  # None is allowed, and means that nothing is new
        require_client_authentication=identity.client_ca is not None,
    )


def _changes(
    source: TlsSource, known: TlsIdentity
) -> Callable[[], grpc.ServerCertificateConfiguration | None]:
    """What gRPC asks at each handshake: the certificates, or None if it has them already."""

    def changed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal known
        current = source.current()
        if current is known:
            return None
        known = current
        return _configuration(current)

    return changed


def _configuration(identity: TlsIdentity) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(identity.key, identity.certificate)], identity.client_ca
    )
