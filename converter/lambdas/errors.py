"""The error of this package: a lambda that cannot be read."""


class LambdaUnreadableError(Exception):
    """A lambda uses something that is not supported, or its bytes are damaged.

    Attributes:
        reason: A clause about the lambda, such as ``it closes over a variable``.
        progress: How far the reader got: -1 if the bytes are not a code object, else the offset in its
            bytecode, plus 1 if the instruction there was understood. The same bytes are read as bytecode of
            several Python versions; the error with the greatest progress is the most relevant one.
    """

    def __init__(self, reason: str, progress: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.progress = progress


def damaged(detail: str) -> LambdaUnreadableError:
    """Make the error for bytes that no version of Python can have written."""
    return LambdaUnreadableError(f"its bytecode is damaged: {detail}", progress=-1)
