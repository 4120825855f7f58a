"""The text of an error as it goes on the wire: short, and nothing in it steers a terminal.

Errors repeat what a client sent, which may be anything of any length. A status travels as a header, and gRPC's
clients drop headers above 8 KiB, with the status in them.
"""

from serving.printable import printable

MOST = 1000
"""Bytes of a text. A header writes a byte that is not ASCII as three, so it stays well below what clients take."""

_END = 300
"""Bytes kept of the end of a text that is too long: what to do stands there."""

_GAP = " ... "


def presentable(text: str) -> str:
    r"""A text that can be sent and printed.

        "no model 'a\n'"  ->  "no model 'a\\n'"        "no model 'xxx ... x'; ..."  ->  "no model 'xx ... x'; ..."

    Args:
        text: The text; of any length, of any characters.
    """
    if len(text) > 2 * MOST:
        # Of more than this nothing is left below, and a request can bring millions.
        text = text[:MOST] + text[-MOST:]
    text = printable(text)
    data = text.encode()
    if len(data) <= MOST:
        return text
    first, last = data[: MOST - _END - len(_GAP)], data[-_END:]
    return first.decode(errors="ignore") + _GAP + last.decode(errors="ignore")
