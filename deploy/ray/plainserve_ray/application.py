"""The application that Serve's config file imports: ``import_path: plainserve_ray.application:application``."""

from typing import Any

from ray import serve

from plainserve_ray.options import read
from plainserve_ray.replica import Replica


def application(args: dict[str, Any]) -> serve.Application:
    """The application: one deployment, ``Replica``, whose numbers the config file sets.

    Args:
        args: See :func:`plainserve_ray.options.read`.

    Raises:
        ValueError: They are wrong.
    """
    return serve.deployment(Replica, name="Replica").bind(read(args))
