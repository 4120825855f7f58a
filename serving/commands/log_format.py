"""Formats the log: lines of text for people, or one JSON object a line for machines."""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

from serving.printable import printable


class TextFormatter(logging.Formatter):
    """``INFO: request request_id=7 model=digits ...``."""

    def __init__(self) -> None:
        super().__init__("%(levelname)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging names it
        """The line, with the fields of the record behind it."""
        fields: dict[str, object] = getattr(record, "fields", {})
        told = "".join(f" {name}={_plain(value)}" for name, value in fields.items())
        return printable(super().formatMessage(record)) + told

    def formatException(self, ei: Any) -> str:  # noqa: ANN401, N802  logging names it, and its type is not public
        """The traceback, indented: whatever an error says, none of its lines looks like an entry."""
        lines = super().formatException(ei).split("\n")
        return "\n".join(f"  {printable(each)}" for each in lines)


class JsonFormatter(logging.Formatter):
    """``{"time": ..., "level": "INFO", "logger": "serving.requests", "event": "request", "model": ...}``."""

    def format(self, record: logging.LogRecord) -> str:
        """One JSON object in one line."""
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            entry["traceback"] = "".join(traceback.format_exception(*record.exc_info))
        return json.dumps(entry, default=str)


class _OfWorker(logging.Filter):
    """Adds the index of this worker to each entry."""

    def __init__(self, worker: int) -> None:
        super().__init__()
        self._worker = worker

    def filter(self, record: logging.LogRecord) -> bool:
        """Let it pass, with one field more."""
        record.fields = {**getattr(record, "fields", {}), "worker": self._worker}
        return True


def set_up(style: str, level: str, worker: int | None = None) -> None:
    """Write the log to stderr.

    Args:
        style: ``text`` or ``json``.
        worker: Which of several processes this is, if it is one of several.
        level: The least important level of our own entries, in lower case; libraries have from ``warning`` on.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    if worker is not None:
        handler.addFilter(_OfWorker(worker))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("serving").setLevel(level.upper())


def _plain(value: object) -> str:
    """A value that cannot be mistaken for the next field, nor begin a line of its own."""
    text = str(value)
    return text if text and text.isprintable() and not set(text) & set(" ='\"") else repr(text)
