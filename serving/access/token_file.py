"""Reads bearer tokens and their rights from a file.

Each line has a right and a token. Empty lines, and lines that begin with ``#``, are ignored::

    # the web shop
    inference       3f1c0b8a6e5d4972a1b0c9d8e7f60512
    administration  90ab12cd34ef56ab78cd90ef12ab34cd

Only hashes are kept in memory. A token is compared with every one of them in constant time.
"""

import hmac
import re
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from serving.access.file_reloader import FileReloader, warn_if_world_readable
from serving.access.rights import Right
from serving.errors import CredentialsError

RIGHTS = {"inference": Right.INFERENCE, "administration": Right.ADMINISTRATION}
"""The rights by their names in the file."""

MIN_LENGTH = 16
"""The fewest characters of a token: a shorter one could be guessed."""

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)  # b64token of RFC 6750

Entry = tuple[bytes, Right]


class TokenFile:
    """The tokens in a file, reloaded when it changes.

    Args:
        path: The file.

    Raises:
        CredentialsError: The file cannot be read, or a line is malformed; the text names the line.
    """

    def __init__(self, path: Path) -> None:
        self._entries = FileReloader([path], lambda: _read(path))

    def right(self, token: str) -> Right:
        """The right of a token; NONE if it is unknown."""
        shown, found = sha256(token.encode(errors="replace")).digest(), Right.NONE
        for digest, right in self._entries.current():
            if hmac.compare_digest(shown, digest):
                found = right
        return found


def _read(path: Path) -> Sequence[Entry]:
    try:
        text = path.read_text(encoding="utf-8")
        warn_if_world_readable(path, "tokens")
    except OSError as error:
        raise CredentialsError(f"cannot read '{path}': {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CredentialsError(f"'{path}' is not UTF-8 text") from error
    return _parse(path, text)


def _parse(path: Path, text: str) -> Sequence[Entry]:
    entries: dict[bytes, Right] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        fault = _fault(words)
        if fault:
            # The line itself may hold a secret, and errors end up in logs.
            raise CredentialsError(f"'{path}', line {number}: {fault}")
        digest = sha256(words[1].encode()).digest()
        if digest in entries:
            raise CredentialsError(
                f"'{path}', line {number}: this token is already on an earlier line; leave one"
            )
        entries[digest] = RIGHTS[words[0]]
    if not entries:
        raise CredentialsError(f"'{path}' holds no token; write lines such as: inference TOKEN")
    return tuple(entries.items())


def _fault(words: Sequence[str]) -> str:
    """What is wrong with a line; empty if nothing is."""
    if words[0] not in RIGHTS:
        return f"it must begin with {' or '.join(RIGHTS)}"
    if len(words) != 2:
        return f"it must be a right and one token; it has {len(words)} words"
    if len(words[1]) < MIN_LENGTH:
        return f"the token is shorter than {MIN_LENGTH} characters; make one with: openssl rand -hex 32"
    if not _TOKEN.fullmatch(words[1]):
        return "a token is made of letters, digits and - . _ ~ + /, with = at its end only"
    return ""
