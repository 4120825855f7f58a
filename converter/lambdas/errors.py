"""The one error of this package."""


class LambdaUnreadableError(Exception):
    """A lambda does something that cannot be read, or its bytes are damaged.

    Attributes:
        reason: A clause about the lambda, such as ``it closes over a variable``.
        progress: How far the reading came: -1 if the bytes are no code object, else the offset in its
            bytecode, plus 1 if the instruction there was understood. The same bytes are read as several
            versions of Python would; the reading that came furthest knows best what is in the way.
    """

    def __init__(self, reason: str, progress: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.progress = progress


def damaged(detail: str) -> LambdaUnreadableError:
    """Make the error for bytes that no Python can have written as they are read."""
    return LambdaUnreadableError(f"its bytecode is damaged: {detail}", progress=-1)
