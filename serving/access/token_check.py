"""Checks the token of a call against the right that its method needs, before any of its request is read."""

from collections.abc import Iterable

from serving.access.rights import Right, needed
from serving.access.token_file import Tokens
from serving.errors import PermissionDeniedError, UnauthenticatedError

HEADER = "authorization"

_SEND = "send the header 'authorization: Bearer TOKEN'"


class TokenCheck:
    """Checks the tokens of calls.

    Args:
        tokens: Who may do what.
    """

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def check(self, method: str, metadata: Iterable[tuple[str, str | bytes]]) -> None:
        """Whether a call may be answered.

        Args:
            method: ``/service/method``.
            metadata: What came with it.

        Raises:
            UnauthenticatedError: It needs a token, and brings none, or one that is unknown.
            PermissionDeniedError: Its token does not have the right.
        """
        right = needed(method)
        if right is Right.NONE:
            return
        held = self._tokens.right(_token(metadata))
        if held is Right.NONE:
            raise UnauthenticatedError(f"the server does not know this token; {_SEND} with one that it knows")
        if held < right:
            raise PermissionDeniedError(
                f"{method.rpartition('/')[2]} needs a token with the right '{right.name.lower()}', and this one has "
                f"'{held.name.lower()}'; ask whoever runs the server for such a token"
            )


def _token(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """The one token of a call.

    Raises:
        UnauthenticatedError: There is none, or not one only.
    """
    values = [value for key, value in metadata if key == HEADER]
    if not values:
        raise UnauthenticatedError(f"this server asks for a token; {_SEND}")
    scheme, _, token = values[0].partition(" ") if isinstance(values[0], str) else ("", "", "")
    if len(values) > 1 or scheme.lower() != "bearer" or not token:
        raise UnauthenticatedError(f"the header 'authorization' must be one, and hold a token; {_SEND}")
    return token
