"""The text of an error as it goes on the wire: short, and nothing in it steers a terminal.

Errors repeat what a client sent, which may be anything of any length. A status travels as a header, and gRPC's
clients drop headers above 8 KiB, with the status in them.
"""

from serving.printable import printable

MAX_BYTES = 1000
"""Bytes of a text. A header writes a byte that is not ASCII as three, so it stays well below what clients take."""

_END = 300
"""Bytes kept of the end of a text that is too long: what to do stands there."""

_GAP = " ... "


def sanitized(text: str) -> str:
    r"""A text that can be sent and printed.

        "no model 'a\n'"  ->  "no model 'a\\n'"        "no model 'xxx ... x'; ..."  ->  "no model 'xx ... x'; ..."

    Args:
        text: The text; of any length, of any characters.
    """
    if len(text) > 2 * MAX_BYTES:
        # Of more than this nothing is left below, and a request can bring millions.
        text = text[:MAX_BYTES] + text[-MAX_BYTES:]
    text = printable(text)
    data = text.encode()
    if len(data) <= MAX_BYTES:
        return text
    first, last = data[: MAX_BYTES - _END - len(_GAP)], data[-_END:]
    return first.decode(errors="ignore") + _GAP + last.decode(errors="ignore")
