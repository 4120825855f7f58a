"""Serves a repository from start to end: loads, listens, waits for a signal, drains."""

import logging
from collections.abc import Callable

from serving.errors import AddressError
from serving.repository.loading.guarded_load import Trial
from serving.server.options import ServerOptions
from serving.server.server import Server
from serving.server.signals import Signals
from serving.server.start_line import start_line

log = logging.getLogger(__name__)


async def serve(options: ServerOptions, announce: Callable[[str], None], trial: Trial | None = None) -> bool:
    """Serve until a signal says otherwise (:mod:`serving.server.signals`), then drain.

    Args:
        options: What was decided. The front end was chosen.
        announce: Told, once requests are answered, what is served where.
        trial: Tries a version before it is opened; None to open it at once.

    Returns:
        Whether all that was accepted was answered and no model runs any more.

    Raises:
        RepositoryError: The repository is missing or holds no model.
        AddressError: The address cannot be listened on.
        CredentialsError: Certificates or tokens cannot be used.
    """
    server = Server(options, trial)
    await server.load()
    signals = Signals()
    signals.listen()
    server.lost = signals.request_stop
    metrics = await server.start_metrics()
    try:
        address = await server.start()
    except AddressError:
        server.close_metrics()
        raise
    if metrics:
        log.info("metrics at http://%s/metrics", metrics)
    announce(start_line(server.ready_models, options.frontend, address))
    await signals.stop.wait()
    return await server.stop(signals)
