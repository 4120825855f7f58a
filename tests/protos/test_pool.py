import subprocess
import sys

from google.protobuf import descriptor_pool
from patience import PATIENCE

from protos import open_inference_pb2, tensorflow_serving_pb2
from protos.pool import POOL

OURS = "from protos import open_inference_pb2_grpc, tensorflow_serving_pb2_grpc"


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def test_names_on_the_wire_are_the_true_ones():
    assert POOL.FindServiceByName("inference.GRPCInferenceService").methods_by_name["ModelInfer"]
    assert POOL.FindServiceByName("tensorflow.serving.PredictionService").methods_by_name["Predict"]
    assert POOL.FindMessageTypeByName("tensorflow.TensorProto").file.pool is POOL


def test_nothing_of_ours_is_in_the_pool_of_the_process():
    code = f"""{OURS}
from google.protobuf import descriptor_pool
for name in ("inference.ModelInferRequest", "tensorflow.TensorProto", "tensorflow.serving.PredictRequest"):
    try:
        descriptor_pool.Default().FindMessageTypeByName(name)
    except KeyError:
        print("absent")
"""
    done = run(code)
    assert done.stdout.split() == ["absent"] * 3, done.stderr
    assert open_inference_pb2.DESCRIPTOR.pool is not descriptor_pool.Default()


def test_a_message_of_another_pool_has_the_same_bytes():
    from tritonclient.grpc import service_pb2 as triton  # noqa: PLC0415  registers the same names elsewhere

    request = open_inference_pb2.ModelInferRequest(model_name="m", id="7", raw_input_contents=[b"abc"])
    request.parameters["priority"].uint64_param = 2**63
    tensor = request.inputs.add(name="x", datatype="FP32", shape=[-1, 3])
    tensor.contents.fp32_contents.extend([1.5, -2.0])
    theirs = triton.ModelInferRequest.FromString(request.SerializeToString())
    assert str(theirs) == str(request)
    assert open_inference_pb2.ModelInferRequest.FromString(theirs.SerializeToString()) == request


def test_well_known_types_work_inside_our_messages():
    spec = tensorflow_serving_pb2.ModelSpec(name="m")
    spec.version.value = 3
    signatures = tensorflow_serving_pb2.SignatureDefMap()
    signatures.signature_def["serving_default"].method_name = "tensorflow/serving/predict"
    answer = tensorflow_serving_pb2.GetModelMetadataResponse(model_spec=spec)
    answer.metadata["signature_def"].Pack(signatures)
    unpacked = tensorflow_serving_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(unpacked)
    assert unpacked == signatures
    assert answer.model_spec.WhichOneof("version_choice") == "version"
