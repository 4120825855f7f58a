"""The dtype policy of a layer, as a file states it."""

from collections.abc import Mapping

from converter.description.kinds import POLICIES
from converter.errors import UnsupportedError


def read_policy(dtype: object, where: str) -> str:
    """The name of a dtype policy, written as a text or as an object."""
    name = dtype
    if isinstance(dtype, Mapping):
        config = dtype.get("config")
        name = config.get("name") if isinstance(config, Mapping) else None
    if name is None:
        return "float32"
    if not isinstance(name, str) or (
        name not in POLICIES and not name.startswith(("int", "uint", "bool", "string"))
    ):
        raise UnsupportedError(f"has dtype policy {name!r:.60}, which is not known", where=where)
    return name
