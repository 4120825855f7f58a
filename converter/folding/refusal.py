"""The exception that carries the reason why a scale was not folded."""


class Refusal(Exception):  # noqa: N818  not an error: the reason goes into the report
    """A scale cannot be folded. The text is the reason that the report shows."""
