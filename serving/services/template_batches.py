"""Answers batches of requests that match a template, without parsing them and without a task for each."""

import logging
from collections.abc import Callable
from time import monotonic
from typing import Any

from serving.dataplane.batch_plan import BatchResult, InferBatch
from serving.dataplane.dataplane import DataPlane
from serving.dataplane.messages import InferRequest, InferResult
from serving.flow_control.byte_budget import LARGE
from serving.flow_control.flow_control import FlowControl
from serving.services.request_template import RequestTemplate
from serving.services.request_templates import RequestTemplates
from serving.services.response_layout import ResponseLayout
from serving.services.tensor_bytes import wire_views
from serving.transport.transport import Batch, BatchMethod

log = logging.getLogger(__name__)


class TemplateBatches(BatchMethod):
    """Answers batches. A batch in which anything is unusual is split: the general way then decides about each call.

    Args:
        templates: Learns the templates.
        plane: Runs the requests.
        flow: Counts the calls, and limits their bytes.
        name: The method's name in metrics.
        request: Gives the request that the messages of a template are; None to split the batch. May raise a
            ServingError to the same effect.
        lay_out: Works out the layout of a response; None if it has none.
    """

    def __init__(
        self,
        templates: "RequestTemplates[Any, Any]",
        plane: DataPlane,
        flow: FlowControl,
        name: str,
        request: Callable[[Any], InferRequest | None],
        lay_out: Callable[[InferResult], ResponseLayout | None],
    ) -> None:
        super().__init__()
        templates.learned = self._learned
        self._plane = plane
        self._flow = flow
        self._calls = flow.counts.of(name)
        self._request = request
        self._lay_out = lay_out

    def handle(self, batch: Batch) -> None:
        """Answer a batch, or split it."""
        start = monotonic()
        try:
            answered = self._answer(batch)
        except Exception:
            log.exception("a batch of %d failed; its calls are answered one by one", len(batch))
            answered = False
        if not answered:
            batch.split()
            return
        count = len(batch)
        self._calls.started += count
        self._calls.end("OK", monotonic() - start, count)

    def _learned(self, template: RequestTemplate) -> None:
        # Not ``remember`` itself, which a transport replaces later.
        self.remember(template)

    def _answer(self, batch: Batch) -> bool:
        """Answer a batch; False if it is to be split."""
        template, count = batch.template, len(batch)
        assert isinstance(template, RequestTemplate)  # noqa: S101  there are no others
        if not self._flow.has_room(template.length, count):
            return False
        request = self._request(template)
        if request is None:
            return False
        result = self._plane.infer_batch(
            InferBatch(template, request, template.payload_sizes, count, batch.deadline, batch.payload)
        )
        return result is not None and self._send(batch, template, result)

    def _send(self, batch: Batch, template: RequestTemplate, result: BatchResult) -> bool:
        layout = template.layouts.get(result.specs, result.shapes, result.first, self._lay_out)
        if layout is None or layout.size > LARGE:
            # Large answers are counted until their client has read them, each call by itself.
            result.discard()
            return False
        rows = layout.rows(wire_views(result.specs, result.arrays))
        batch.answer(layout.prefixes, rows, layout.optional_at)
        result.count()
        return True
