"""Whether a ``config.pbtxt`` is its owner's word, or stands as the converter wrote it.

The converter writes what it found out and marks it with a digest. Once somebody changes the text, it is his.
"""

import hashlib

_NOTE = "# Written by convert."
_MARK = "# sha256 of the lines below: "


def is_the_converters(text: str) -> bool:
    """Whether a config is as the converter wrote it, so that nothing in it is the owner's decision."""
    _, mark, rest = text.partition(_MARK)
    digest, _, body = rest.partition("\n")
    return text.startswith(_NOTE) and bool(mark) and digest == hashlib.sha256(body.encode()).hexdigest()
