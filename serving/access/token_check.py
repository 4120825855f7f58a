"""Checks the token of a call against the right that its method needs, before any of its request is read."""

from collections.abc import Iterable

from serving.access.rights import Right, needed
from serving.access.token_file import TokenFile
from serving.errors import PermissionDeniedError, UnauthenticatedError

HEADER = "authorization"

_SEND = "send the header 'authorization: Bearer TOKEN'"


class TokenCheck:
    """Checks the tokens of calls.

    Args:
        tokens: The tokens and their rights.
    """

    def __init__(self, tokens: TokenFile) -> None:
        self._tokens = tokens

    def check(self, method: str, metadata: Iterable[tuple[str, str | bytes]]) -> None:
        """Check that a call has a token with the right that its method needs.

        Args:
            method: ``/service/method``.
            metadata: The headers of the call.

        Raises:
            UnauthenticatedError: The method needs a token, and the call has none, or an unknown one.
            PermissionDeniedError: The token does not have the right.
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
        UnauthenticatedError: There is none, or several, or the header is malformed.
    """
    values = [value for key, value in metadata if key == HEADER]
    if not values:
        raise UnauthenticatedError(f"this server asks for a token; {_SEND}")
    scheme, _, token = values[0].partition(" ") if isinstance(values[0], str) else ("", "", "")
    if len(values) > 1 or scheme.lower() != "bearer" or not token:
        raise UnauthenticatedError(f"the header 'authorization' must be one, and hold a token; {_SEND}")
    return token
