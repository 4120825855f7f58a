"""Skips the parsing of requests that differ from an earlier one in their tensors and their id only.

A client asks the same model for the same outputs again and again, and only the numbers change. Such messages are
equal, byte for byte, except for the payloads of their tensors. So one of them is parsed. Of the others the payloads
are viewed and the rest is compared. The dataplane checks each request all the same.

    constant  |  payload  |  constant  |  payload  |  constant
       |
       +-- with or without an id

Where the payloads are is found by a walk over the fields of the message (:mod:`.wire_fields`), so a message that is
equal outside of its payloads has its payloads in the same fields. What a protocol's messages look like is said beside
the protocol: ``open_inference/infer_template.py`` and ``tensorflow_serving/predict_template.py``.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from google.protobuf.message import Message

from serving.services.request_template import RequestTemplate
from serving.services.wire_fields import IrregularMessageError

BUCKETS = 256
"""Buckets for templates; the length of a message without its id selects one."""

BUCKET_SIZE = 4
"""Templates in a bucket: messages that differ in a name or a version often have the same length.

Clients cannot make the server keep more.
"""

LONGEST_HEAD = 4096
"""Bytes of a message that are not payload. A message with more does not become a template."""

REFUSALS = 128
"""Messages in a bucket that are not looked at after one that could not become a template. A client that sends such
messages sends more of them, and each look takes some ten microseconds.
"""

LONGEST_OPTIONAL = 127
"""Bytes of an optional field's content, so that its length is one byte."""

Request = TypeVar("Request", bound=Message)
Template = TypeVar("Template", bound=RequestTemplate)

MakeTemplate = Callable[[bytes, Request, tuple[int, int]], Template]
"""Takes a message, the same parsed, and where its optional field begins and ends; returns its template.

Raises :class:`IrregularMessageError` for a message that cannot be one.
"""


def no_optional(_data: bytes) -> tuple[int, int]:
    """Where the optional field begins and ends, for a protocol that has none."""
    return 0, 0


class RequestTemplates(Generic[Request, Template]):
    """The templates of the messages that came more than once.

    Args:
        make: Makes a template.
        optional: Says where the optional field of a message begins and ends, tag included; or where it would, twice.

    Attributes:
        learned: Called with each new template.
    """

    def __init__(
        self,
        make: MakeTemplate[Request, Template],
        optional: Callable[[bytes], tuple[int, int]] = no_optional,
    ) -> None:
        self._make = make
        self._optional = optional
        self._last_length = [0] * BUCKETS
        self._skips = [0] * BUCKETS
        self._buckets: list[list[Template]] = [[] for _ in range(BUCKETS)]
        self.learned: Callable[[Template], None] = lambda _: None

    def find(self, data: bytes) -> tuple[Template, bytes] | None:
        """The template that a message matches, and the optional field of the message; None if it matches none."""
        for template in self._buckets[len(data) % BUCKETS]:
            if template.matches(data, 0):
                return template, b""
        start, end = self._optional(data)
        if start == end:
            return None
        for template in self._buckets[(len(data) - (end - start)) % BUCKETS]:
            if template.optional_at == start and template.matches(data, end - start):
                return template, data[start:end]
        return None

    def learn(self, data: bytes, message: Request) -> None:
        """Make a template of a message that matches none, if the last message in its bucket had the same length.

        Args:
            data: The message.
            message: The same, parsed. It must have been answered, so that what it says is valid.
        """
        where = self._optional(data)
        length = len(data) - (where[1] - where[0])
        bucket = length % BUCKETS
        if self._skips[bucket]:
            self._skips[bucket] -= 1
            return
        # Several equal messages may be in flight at once, and each of them gets here.
        if self._last_length[bucket] == length and self.find(data) is None:
            template = self._template(data, message, where)
            if template is None:
                self._skips[bucket] = REFUSALS
                return
            # The newest first; the oldest makes room.
            self._buckets[bucket] = [template, *self._buckets[bucket][: BUCKET_SIZE - 1]]
            self.learned(template)
        self._last_length[bucket] = length

    def _template(self, data: bytes, message: Request, where: tuple[int, int]) -> Template | None:
        try:
            template = self._make(data, message, where)
        except IrregularMessageError:
            return None
        return template if sum(map(len, template.constants)) <= LONGEST_HEAD else None
