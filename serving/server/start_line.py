"""The line that says that a server is ready: how many models, which front end, and last the address."""

from serving.server.options import FrontEnd


def start_line(models: int, frontend: FrontEnd, address: str) -> str:
    """The line; programs that start a server read the address from its end."""
    return f"Serving {models} model{'' if models == 1 else 's'} ({frontend.value} front end) on {address}"
