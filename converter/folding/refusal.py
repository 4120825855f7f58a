"""Why a scale was not folded."""


class Refusal(Exception):  # noqa: N818  not an error: the reason goes into the report
    """A scale cannot be moved; the text says why, for the report."""
