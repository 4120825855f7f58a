"""Sanitises error texts before they are sent: bounds their length and escapes control characters.

Error texts quote what a client sent, which may be of any length and may contain terminal escape sequences. A status
is sent in a header, and gRPC's clients drop headers above 8 KiB, together with the status.
"""

from serving.printable import printable

MAX_BYTES = 1000
"""Bytes of a text. A header encodes a byte that is not ASCII as three; so it stays well below what clients accept."""

_END = 300
"""Bytes kept of the end of a text that is too long, which says what to do."""

_GAP = " ... "


def sanitized(text: str) -> str:
    r"""Make a text safe to send and to print.

        "no model 'a\n'"  ->  "no model 'a\\n'"        "no model 'xxx ... x'; ..."  ->  "no model 'xx ... x'; ..."

    Args:
        text: The text; of any length, of any characters.
    """
    if len(text) > 2 * MAX_BYTES:
        # The rest would be cut below in any case, and a request can contain millions of characters.
        text = text[:MAX_BYTES] + text[-MAX_BYTES:]
    text = printable(text)
    data = text.encode()
    if len(data) <= MAX_BYTES:
        return text
    first, last = data[: MAX_BYTES - _END - len(_GAP)], data[-_END:]
    return first.decode(errors="ignore") + _GAP + last.decode(errors="ignore")
