"""Tells whether a ``config.pbtxt`` is unchanged since the converter generated it, or is the work of its owner.

The converter marks the text with a digest. Once somebody changes the text, it counts as written by the owner.
"""

import hashlib

_NOTE = "# Written by convert."
_MARK = "# sha256 of the lines below: "


def is_the_converters(text: str) -> bool:
    """Whether a config is unchanged since the converter wrote it, so that it holds no decision of the owner."""
    _, mark, rest = text.partition(_MARK)
    digest, _, body = rest.partition("\n")
    return text.startswith(_NOTE) and bool(mark) and digest == hashlib.sha256(body.encode()).hexdigest()
