"""The parts that implement the methods of each service, made for one server."""

import logging
from collections.abc import Sequence

from google.protobuf.descriptor import ServiceDescriptor

from serving.dataplane.dataplane import DataPlane
from serving.dataplane.model_control import ModelControl
from serving.dataplane.shared_memory import SharedMemory
from serving.flow_control.flow_control import FlowControl
from serving.server.options import ServerOptions
from serving.services.open_inference import inference_service
from serving.services.open_inference.inference_service import InferenceService
from serving.services.open_inference.repository_service import ModelRepositoryService
from serving.services.open_inference.settings_service import SettingsService
from serving.services.open_inference.shared_memory_service import SharedMemoryService
from serving.services.tensorflow_serving import model_service, prediction_service
from serving.services.tensorflow_serving.model_service import ModelService
from serving.services.tensorflow_serving.prediction_service import PredictionService
from serving.services.worker_group import WorkerGroup


def service_parts(
    options: ServerOptions,
    plane: DataPlane,
    control: ModelControl,
    flow: FlowControl,
    memory: SharedMemory,
    group: WorkerGroup | None,
) -> dict[ServiceDescriptor, Sequence[object]]:
    """The parts by service; a part has methods of the names that the protocol gives them.

    Args:
        options: The options of the server.
        plane: Answers requests.
        control: Loads and unloads models.
        flow: Counts the bytes of requests.
        memory: The shared memory that clients have registered.
        group: The processes that serve together, if there are several.
    """
    return {
        inference_service.SERVICE: (
            InferenceService(plane, memory, flow.requests),
            ModelRepositoryService(plane, control, group),
            SharedMemoryService(memory),
            SettingsService(logging.getLogger("serving"), changeable=options.administration),
        ),
        prediction_service.SERVICE: (
            PredictionService(plane, options.max_message_size, content=options.tensor_content),
        ),
        model_service.SERVICE: (ModelService(plane, control, reloadable=options.administration),),
    }
