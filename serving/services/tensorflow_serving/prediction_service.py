# ruff: noqa: N802  the protocol names the methods
"""``tensorflow.serving.PredictionService``: TensorFlow Serving's protocol for every runtime, without TensorFlow.

Classify, Regress and MultiInference take ``tf.Example`` messages, which the graph of a model turns into tensors: they
are for models with a signature that takes them.
"""

import asyncio
from dataclasses import replace
from functools import partial

from protos import tensorflow_core_pb2 as core
from protos import tensorflow_serving_pb2 as pb
from serving.dataplane.dataplane import DataPlane
from serving.dataplane.large_message_thread import off_loop
from serving.dataplane.messages import InferRequest, InferResult, InputTensor
from serving.datatypes import BYTES
from serving.errors import InvalidInputError
from serving.flow_control.byte_budget import LARGE
from serving.flow_control.flow_control import FlowControl
from serving.repository.model import LoadedModel
from serving.runtimes.runtime import TensorSpec
from serving.services.message_parser import MessageParser
from serving.services.request_templates import RequestTemplates
from serving.services.response_layout import ResponseLayout
from serving.services.template_batches import TemplateBatches
from serving.services.tensorflow_serving import (
    example_messages,
    model_spec,
    predict_template,
    tensor_proto,
    tensor_types,
)
from serving.services.tensorflow_serving.example_messages import CLASSIFY, REGRESS, ExampleMethod
from serving.services.tensorflow_serving.predict_template import PredictTemplate

SERVICE = pb.DESCRIPTOR.services_by_name["PredictionService"]

SIGNATURE_FIELD = "signature_def"
"""The only field of metadata that the protocol has."""

MANY_CLASSES = 2000
"""Labels and scores above which an answer is written on a thread."""


class PredictionService:
    """Predict, Classify, Regress, MultiInference, and GetModelMetadata.

    Args:
        plane: The dataplane.
        tensor_bytes: The most bytes that the inputs of a request may take in memory.
        content: Whether Predict answers in ``tensor_content`` and not in the repeated field of each type.
    """

    def __init__(self, plane: DataPlane, tensor_bytes: int, *, content: bool = False) -> None:
        self._plane = plane
        self._tensor_bytes = tensor_bytes
        self._content = content
        self._templates = RequestTemplates(predict_template.make_template)
        self._parse = MessageParser(pb.PredictRequest).parse

    async def Predict(self, request: pb.PredictRequest, deadline: float | None) -> pb.PredictResponse:
        """Run a model by a signature."""
        version = model_spec.version_of(request.model_spec, self._plane)
        # Checked before the tensors, so that an unknown model is the error that is reported.
        self._plane.model(request.model_spec.name, version).called(request.model_spec.signature_name)
        if _has_listed_elements(request) and request.ByteSize() > LARGE:
            asked = await off_loop(self._infer_request, request, version, deadline)
        else:
            asked = self._infer_request(request, version, deadline)
        return self._response(await self._plane.infer(asked))

    async def PredictWire(self, data: bytes, deadline: float | None) -> bytes:
        """Run a model, from bytes to bytes. A request that matches a template is not parsed."""
        found = self._templates.find(data)
        if found is None:
            message = await self._parse(data)
            response = await self.Predict(message, deadline)
            self._templates.learn(data, message)
            return response.SerializeToString()
        template, _ = found
        request = template.infer_request(data, 0, deadline)
        request.version = model_spec.version_of(template.spec, self._plane)
        self._plane.model(request.model, request.version).called(template.spec.signature_name)
        result = await self._plane.infer(request)
        answer = template.serialize(result, self._lay_out)
        return self._response(result).SerializeToString() if answer is None else answer

    def PredictBatches(self, flow: FlowControl, name: str) -> TemplateBatches:
        """What runs a model for several requests at once.

        Args:
            flow: Counts the calls, and limits their bytes.
            name: The method's name in metrics.
        """
        return TemplateBatches(
            self._templates, self._plane, flow, name, self._request_of_batch, self._lay_out
        )

    def _request_of_batch(self, template: PredictTemplate) -> InferRequest:
        """The request that the messages of a template are now."""
        version = model_spec.version_of(template.spec, self._plane)
        return replace(template.request, version=version) if version else template.request

    def _lay_out(self, result: InferResult) -> ResponseLayout | None:
        return predict_template.lay_out(result, self._response(result).SerializeToString())

    def _response(self, result: InferResult) -> pb.PredictResponse:
        answered = model_spec.answered(result.model, result.version, result.signature)
        response = pb.PredictResponse(model_spec=answered)
        for spec, array in zip(result.specs, result.arrays, strict=True):
            tensor_proto.write(array, spec.datatype, response.outputs[spec.name], content=self._content)
        return response

    async def Classify(
        self, request: pb.ClassificationRequest, deadline: float | None
    ) -> pb.ClassificationResponse:
        """Run a model on examples, by a signature that returns labels or scores of classes."""
        version = model_spec.version_of(request.model_spec, self._plane)
        done = await self._infer_examples(CLASSIFY, request.model_spec, version, request.input, deadline)
        return pb.ClassificationResponse(model_spec=done.model_spec, result=done.classification_result)

    async def Regress(self, request: pb.RegressionRequest, deadline: float | None) -> pb.RegressionResponse:
        """Run a model on examples, by a signature that returns one number for each."""
        version = model_spec.version_of(request.model_spec, self._plane)
        done = await self._infer_examples(REGRESS, request.model_spec, version, request.input, deadline)
        return pb.RegressionResponse(model_spec=done.model_spec, result=done.regression_result)

    async def MultiInference(
        self, request: pb.MultiInferenceRequest, deadline: float | None
    ) -> pb.MultiInferenceResponse:
        """Run one version of a model on the same examples by several signatures, one after the other."""
        spec = example_messages.one_model(request.tasks)
        version = self._plane.model(spec.name, model_spec.version_of(spec, self._plane)).version
        methods = [example_messages.method_of(task) for task in request.tasks]
        results = [
            await self._infer_examples(method, task.model_spec, version, request.input, deadline)
            for method, task in zip(methods, request.tasks, strict=True)
        ]
        return pb.MultiInferenceResponse(results=results)

    async def GetModelMetadata(
        self, request: pb.GetModelMetadataRequest, _deadline: float | None
    ) -> pb.GetModelMetadataResponse:
        """The inputs and outputs of each signature of a model."""
        version = model_spec.version_of(request.model_spec, self._plane)
        model = self._plane.model(request.model_spec.name, version)
        if set(request.metadata_field) != {SIGNATURE_FIELD}:
            asked = ", ".join(f"'{field}'" for field in request.metadata_field) or "nothing"
            raise InvalidInputError(f"metadata_field must be '{SIGNATURE_FIELD}' alone; got {asked}")
        signatures = pb.SignatureDefMap()
        for name, called in model.signatures.items():
            _describe(called, signatures.signature_def[name])
        response = pb.GetModelMetadataResponse(model_spec=model_spec.answered(model.name, model.version))
        response.metadata[SIGNATURE_FIELD].Pack(signatures)
        return response

    def _infer_request(
        self, request: pb.PredictRequest, version: str, deadline: float | None
    ) -> InferRequest:
        budget = tensor_proto.MemoryBudget(self._tensor_bytes)
        inputs, raw = [], []
        for name, tensor in request.inputs.items():
            datatype, shape = tensor_proto.datatype_of(name, tensor), tensor_proto.shape_of(name, tensor)
            inputs.append(InputTensor(name, datatype, shape))
            raw.append(tensor_proto.wire_form(name, tensor, budget))
        spec, wanted = request.model_spec, tuple(request.output_filter)
        return InferRequest(spec.name, version, inputs, raw, wanted, deadline, signature=spec.signature_name)

    async def _infer_examples(
        self, method: ExampleMethod, spec: pb.ModelSpec, version: str, sent: pb.Input, deadline: float | None
    ) -> pb.InferenceResult:
        """Run a model on examples.

        Raises:
            ServingError: There is no such model or signature, the signature is not for this method, or there are no
                examples.
        """
        model = self._plane.model(spec.name, version).called(spec.signature_name)
        outputs = example_messages.check(method, model)
        examples = example_messages.serialised(sent)
        inputs = [InputTensor(example_messages.INPUTS, BYTES, (len(examples),), examples)]
        asked = InferRequest(spec.name, version, inputs, (), outputs, deadline, signature=model.signature)
        result = await self._plane.infer(asked)
        answered = model_spec.answered(result.model, result.version, result.signature)
        write = partial(example_messages.answer, method, result, len(examples), answered)
        # Each class is a message of its own. A thousand take milliseconds, which would delay other requests.
        large = sum(array.size for array in result.arrays) > MANY_CLASSES
        return await asyncio.to_thread(write) if large else write()


def _has_listed_elements(request: pb.PredictRequest) -> bool:
    """Whether elements are in the repeated fields of their types, from which they are read one by one."""
    return not all(tensor.tensor_content for tensor in request.inputs.values())


def _describe(called: LoadedModel, signature: core.SignatureDef) -> None:
    signature.method_name = called.runtime.method
    for described, specs in ((signature.inputs, called.inputs), (signature.outputs, called.outputs)):
        for spec in specs:
            _describe_tensor(spec, described[spec.name])


def _describe_tensor(spec: TensorSpec, info: core.TensorInfo) -> None:
    info.name = spec.graph_name or spec.name
    info.dtype = tensor_types.TYPES[spec.datatype]
    tensor_proto.write_shape(spec.shape, info.tensor_shape)
    info.tensor_shape.unknown_rank = spec.any_rank
