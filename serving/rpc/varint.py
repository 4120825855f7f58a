"""Numbers as protobuf writes them."""


def varint(number: int) -> bytes:
    """A number that is not negative: seven bits a byte, the least first, a bit on all but the last."""
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)
