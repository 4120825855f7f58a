"""Calls and batches without a transport, and a method that answers them."""

import numpy as np
import pytest

from serving.transport.transport import Batch, Unary


class OneCall(Unary):
    """A call that remembers how it ended."""

    def __init__(self, message, deadline=None, peer="peer"):
        self.message, self.deadline, self._peer = message, deadline, peer
        self.response = self.status = None

    @property
    def peer(self):
        return self._peer

    def on_end(self, ended):
        ended()

    def answer(self, message):
        assert self.response is None
        self.response = message

    def refuse(self, status):
        assert self.status is None
        self.status = status


class CallsBatch(Batch):
    """A batch of calls, as a transport forms it; it checks what a transport relies on."""

    def __init__(self, template, calls):
        self.template, self.calls = template, calls
        deadlines = [call.deadline for call in calls if call.deadline is not None]
        self.deadline = min(deadlines, default=None)
        self.settled = None
        self._optional = [self._optional_of(call.message) for call in calls]
        self._payloads = [self._joined(at) for at in range(len(template.payload_sizes))]

    def __len__(self):
        return len(self.calls)

    def payload(self, at):
        assert self.settled is None
        return self._payloads[at]

    def answer(self, prefixes, rows, optional_at=0):
        assert len(prefixes) == len(rows)
        views = [memoryview(row) for row in rows]
        assert all(view.c_contiguous and view.nbytes % len(self) == 0 for view in views)
        self._settle("answered")
        for at, call in enumerate(self.calls):
            message = b""
            for k, (prefix, view) in enumerate(zip(prefixes, views, strict=True)):
                share = view.nbytes // len(self)
                if k == 0:
                    prefix = prefix[:optional_at] + self._optional[at] + prefix[optional_at:]  # noqa: PLW2901
                message += prefix + view.tobytes()[at * share : (at + 1) * share]
            call.answer(message)

    def refuse(self, status):
        self._settle("refused")
        for call in self.calls:
            call.refuse(status)

    def split(self):
        self._settle("split")

    def _settle(self, how):
        assert self.settled is None, "a batch is settled once"
        self.settled = how

    def _optional_of(self, message):
        template = self.template
        at = template.optional_at
        if not template.optional_tag or message[at] != template.optional_tag:
            return b""
        assert 0 < message[at + 1] < 128
        return message[at : at + 2 + message[at + 1]]

    def _joined(self, wanted):
        """A payload of all messages, at an address divisible by 64."""
        template, parts = self.template, []
        for call, optional in zip(self.calls, self._optional, strict=True):
            start = template.optional_at
            data = call.message[:start] + call.message[start + len(optional) :]
            at = 0
            for k, constant in enumerate(template.constants):
                assert data.startswith(constant, at), "the message matches the template"
                at += len(constant)
                if k < len(template.payload_sizes):
                    if k == wanted:
                        parts.append(data[at : at + template.payload_sizes[k]])
                    at += template.payload_sizes[k]
            assert at == len(data)
        joined = b"".join(parts)
        buffer = np.zeros(len(joined) + 64, np.uint8)
        start = -buffer.ctypes.data % 64
        buffer[start : start + len(joined)] = np.frombuffer(joined, np.uint8)
        return buffer[start : start + len(joined)].data.toreadonly()


@pytest.fixture(scope="session")
def one_call():
    return OneCall


@pytest.fixture(scope="session")
def calls_batch():
    return CallsBatch
