"""Calls through the stubs of tensorflow-serving-api with TensorFlow's own tensors: a job on stdin, JSON on stdout.

The job: ``{"address", "requests": [{"model", "inputs": {name: [datatype, elements]}, "signature", "outputs",
"version", "label"}], "metadata": [model], "status": [model], "labels": {model: {label: version}}}``. Labels are
given before the requests are put; a "token" goes with every call. A request may be ``{"method": name}``: that method
with an empty message.
"""

import json
import sys

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

TYPES = {
    "BOOL": tf.bool,
    "UINT8": tf.uint8,
    "UINT16": tf.uint16,
    "UINT32": tf.uint32,
    "UINT64": tf.uint64,
    "INT8": tf.int8,
    "INT16": tf.int16,
    "INT32": tf.int32,
    "INT64": tf.int64,
    "FP16": tf.float16,
    "FP32": tf.float32,
    "FP64": tf.float64,
    "BYTES": tf.string,
}
EMPTY = {
    "Classify": classification_pb2.ClassificationRequest,
    "Regress": regression_pb2.RegressionRequest,
    "MultiInference": inference_pb2.MultiInferenceRequest,
}


class Calls:
    def __init__(self, channel):
        self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(channel)

    def answer(self, asked):
        try:
            if "method" in asked:
                getattr(self.prediction, asked["method"])(EMPTY[asked["method"]](), timeout=60)
                return {}
            return self.predict(asked)
        except grpc.RpcError as error:
            return {"code": error.code().name, "text": error.details()}

    def predict(self, asked):
        request = predict_pb2.PredictRequest(output_filter=asked.get("outputs", []))
        request.model_spec.name = asked["model"]
        request.model_spec.signature_name = asked.get("signature", "serving_default")
        if "version" in asked:
            request.model_spec.version.value = asked["version"]
        if "label" in asked:
            request.model_spec.version_label = asked["label"]
        for name, (datatype, elements) in asked["inputs"].items():
            # By way of an array: from a list, TensorFlow 2.21 makes 0 of a uint64 that no int64 holds.
            array = np.array(elements, TYPES[datatype].as_numpy_dtype)
            request.inputs[name].CopyFrom(tf.make_tensor_proto(array))
        response = self.prediction.Predict(request, timeout=60)
        outputs = {name: elements_of(tensor) for name, tensor in response.outputs.items()}
        return {"version": response.model_spec.version.value, "outputs": outputs}

    def metadata(self, model):
        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        request.model_spec.name = model
        found = get_model_metadata_pb2.SignatureDefMap()
        assert self.prediction.GetModelMetadata(request, timeout=60).metadata["signature_def"].Unpack(found)
        return {name: signature_of(signature) for name, signature in found.signature_def.items()}

    def status(self, model):
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = model
        found = self.models.GetModelStatus(request, timeout=60).model_version_status
        state = get_model_status_pb2.ModelVersionStatus.State
        return {str(each.version): [state.Name(each.state), each.status.error_message] for each in found}

    def label(self, labels):
        request = model_management_pb2.ReloadConfigRequest()
        for model, versions in labels.items():
            config = request.config.model_config_list.config.add(name=model, base_path=f"/models/{model}")
            config.version_labels.update(versions)
        return self.models.HandleReloadConfigRequest(request, timeout=60).status.error_code


class WithToken(grpc.UnaryUnaryClientInterceptor):
    def __init__(self, token):
        self.metadata = [("authorization", f"Bearer {token}")]

    def intercept_unary_unary(self, continuation, details, request):
        return continuation(Details(details.method, details.timeout, self.metadata), request)


class Details(grpc.ClientCallDetails):
    def __init__(self, method, timeout, metadata):
        self.method, self.timeout, self.metadata = method, timeout, metadata
        self.credentials = self.wait_for_ready = self.compression = None


def elements_of(tensor):
    array = tf.make_ndarray(tensor)
    return [each.decode() for each in array.ravel()] if array.dtype == object else array.tolist()


def signature_of(signature):
    return {
        side: {
            name: [tf.as_dtype(info.dtype).name, tf.TensorShape(info.tensor_shape).as_list()]
            for name, info in getattr(signature, side).items()
        }
        for side in ("inputs", "outputs")
    }


def main():
    job = json.load(sys.stdin)
    with grpc.insecure_channel(job["address"]) as channel:
        calls = Calls(grpc.intercept_channel(channel, WithToken(job["token"])) if "token" in job else channel)
        done = {
            "labels": calls.label(job["labels"]) if "labels" in job else None,
            "answers": [calls.answer(asked) for asked in job.get("requests", [])],
            "metadata": {model: calls.metadata(model) for model in job.get("metadata", [])},
            "status": {model: calls.status(model) for model in job.get("status", [])},
        }
    json.dump(done, sys.stdout)


main()
