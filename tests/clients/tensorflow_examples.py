"""What TensorFlow Serving's example clients and the client in its own test do: an address on stdin, JSON on stdout.

Written anew from their behaviour, with tensorflow-serving-api's stubs and TensorFlow's own tensors.
"""

import json
import sys
from threading import Semaphore

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    inference_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

IMAGES, AT_ONCE, TIMEOUT = 100, 4, 60


def mnist_client(stub):
    """Images, several at once, by futures with callbacks; the share of labels that were not found."""
    room, wrong = Semaphore(AT_ONCE), []
    random = np.random.default_rng(0)

    def told(label):
        def callback(future):
            if future.exception() or label != np.argmax(
                np.array(future.result().outputs["scores"].float_val)
            ):
                wrong.append(label)
            room.release()

        return callback

    for number in range(IMAGES):
        label = number % 10
        image = random.random(784, np.float32) / 4
        image[78 * label : 78 * (label + 1)] += 0.5
        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = "mnist", "predict_images"
        request.inputs["images"].CopyFrom(tf.make_tensor_proto(image, shape=[1, image.size]))
        room.acquire()
        stub.Predict.future(request, TIMEOUT).add_done_callback(told(label))
    for _ in range(AT_ONCE):
        room.acquire()
    return len(wrong) / IMAGES


def resnet_client_grpc(stub):
    """One image of any size; the class that has the most."""
    image = np.zeros((1, 20, 30, 3), np.float32)
    image[..., 1] = 0.5
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "resnet", "serving_default"
    request.inputs["input_1"].CopyFrom(tf.make_tensor_proto(image))
    return int(np.argmax(stub.Predict(request, TIMEOUT).outputs["activation_49"].float_val))


def predict(stub, model):
    request = predict_pb2.PredictRequest(output_filter=["y"])
    request.model_spec.name = model
    request.inputs["x"].CopyFrom(tf.make_tensor_proto([[2.0]]))
    answer = stub.Predict(request, TIMEOUT)
    return told_by(answer.model_spec) | {"y": list(answer.outputs["y"].float_val)}


def classify(stub, model, **spec):
    request = classification_pb2.ClassificationRequest()
    request.model_spec.name = model
    for key, value in spec.items():
        setattr(request.model_spec, key, value)
    give(request.input, spec)
    answer = stub.Classify(request, TIMEOUT)
    rows = [[(each.label, each.score) for each in row.classes] for row in answer.result.classifications]
    return told_by(answer.model_spec) | {"classes": rows}


def regress(stub, model):
    request = regression_pb2.RegressionRequest()
    request.model_spec.name, request.model_spec.signature_name = model, "regress_x_to_y"
    give(request.input, {"signature_name": ""})
    answer = stub.Regress(request, TIMEOUT)
    return told_by(answer.model_spec) | {"values": [each.value for each in answer.result.regressions]}


def multi_inference(stub, model):
    request = inference_pb2.MultiInferenceRequest()
    for signature, method in (("regress_x_to_y", "regress"), ("classify_x_to_y", "classify")):
        task = request.tasks.add(method_name=f"tensorflow/serving/{method}")
        task.model_spec.name, task.model_spec.signature_name = model, signature
    give(request.input, {"signature_name": ""})
    one, other = stub.MultiInference(request, TIMEOUT).results
    return {
        "value": one.regression_result.regressions[0].value,
        "score": other.classification_result.classifications[0].classes[0].score,
        "specs": [told_by(each.model_spec) for each in (one, other)],
    }


def give(sent, spec):
    """An example: half of what half_plus_two is to make of it, or a bright image of a 7."""
    example = sent.example_list.examples.add()
    bright = [1.0 if 78 * 7 <= at < 78 * 8 else 0.0 for at in range(784)]
    example.features.feature["x"].float_list.value.extend([2.0] if "signature_name" in spec else bright)


def metadata(stub, model):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = model
    found = get_model_metadata_pb2.SignatureDefMap()
    assert stub.GetModelMetadata(request, TIMEOUT).metadata["signature_def"].Unpack(found)
    return {name: signature.method_name for name, signature in found.signature_def.items()}


def told_by(spec):
    return {"model": spec.name, "version": spec.version.value, "signature": spec.signature_name}


def main():
    with grpc.insecure_channel(json.load(sys.stdin)["address"]) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        done = {
            "mnist": mnist_client(stub),
            "mnist_classes": classify(stub, "mnist"),
            "resnet": resnet_client_grpc(stub),
        }
        for model in ("half_plus_two", "half_plus_two_2"):
            done[model] = {
                "predict": predict(stub, model),
                "classify": classify(stub, model, signature_name="classify_x_to_y"),
                "regress": regress(stub, model),
                "multi_inference": multi_inference(stub, model),
                "metadata": metadata(stub, model),
            }
    json.dump(done, sys.stdout)


main()
