"""The list of operators that a SavedModel may have, held against all that TensorFlow has."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE

from serving.runtimes.tensorflow_operators import ALLOWED, RESTORING, SAVING, TABLES_FROM_FILES

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent

REACHING = re.compile(
    r"file|path|folder|dir(ectory)?s?$|region|address|ur[il]|server|host|port$|socket|service|protocol|endpoint"
    r"|cluster|task|job|device|descriptor|checkpoint|prefix|basename|dump|log_?dir|output_stream|session"
)
"""What arguments and attributes are called that name something beyond the model."""

PROGRAMS = re.compile(
    r"graph|module|mlir|hlo|executable|computation|^program|^script|^token$|pickle|callback"
)
"""Likewise, for those that hold a program, or name one."""

HARMLESS = {
    "CTCBeamSearchDecoder": "top_paths are ways through a lattice",
    "CudnnRNNBackpropV2": "host_reserved is memory",
    "CudnnRNNBackpropV3": "host_reserved is memory",
    "DeviceIndex": "device_names are kinds of devices, of which it gives the index of its own",
    "ScanDataset": "use_default_device is a flag",
    "TensorSliceDataset": "is_files is a flag for those who share out data sets; it reads no file",
    "VarHandleOp": "allowed_devices is where its variable may lie in this process",
    "PrintV2": "output_stream is looked at: files are refused",
}
"""Operators that are allowed although a name of theirs matches, and why."""


@pytest.fixture(scope="module")
def registry():
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    listed = subprocess.run(
        [sys.executable, HERE / "list_operators.py"],
        check=True,
        timeout=4 * PATIENCE,
        capture_output=True,
        text=True,
        env={**os.environ, **quiet},
    ).stdout
    return json.loads(listed)


def called(operator):
    return [*operator["arguments"], *operator["attributes"]]


def matching(registry, pattern):
    return {name for name, each in registry.items() if any(pattern.search(word) for word in called(each))}


def test_the_whole_registry_is_looked_at(registry):
    assert len(registry) > 1500
    assert {"ReadFile", "DumpTensor", "InitializeTableFromTextFileV2"} <= matching(registry, REACHING)
    assert "DatasetFromGraph" in matching(registry, PROGRAMS)


def test_every_operator_with_a_file_a_path_or_an_address_is_refused(registry):
    assert ALLOWED & matching(registry, REACHING) - HARMLESS.keys() == set()


def test_every_exception_is_one(registry):
    assert HARMLESS.keys() <= ALLOWED & matching(registry, REACHING)


def test_every_operator_with_a_program_is_refused(registry):
    assert ALLOWED & matching(registry, PROGRAMS) == set()


def test_every_operator_that_is_allowed_exists(registry):
    assert registry.keys() >= ALLOWED | SAVING | TABLES_FROM_FILES


@pytest.mark.parametrize(
    "family",
    [
        r"_.*",
        r".*(PyFunc|Rpc|RPC).*",
        r"(Collective|Nccl|Xla|DTensor|Risc|Debug|Copy|Send|Recv).*",
        r".*(TPU|Tpu|SparseCore).*",
        r".*(Summary(Writer|Db)|SummaryWriter).*",
        r"(Write|Read)(File|.*Summary).*",
        r".*(Reader|TextLine|TFRecord|FixedLength|LMDB|Sql|CSVDataset|Snapshot|Cache|SaveDataset|LoadDataset).*",
        r".*(DataService|RegisterDataset|FromGraph|ToGraph|SerializeIterator|StringHandle).*",
        r"(Abort|Sleep.*|RemoteCall|BatchFunction|.*Session.*|Mutex.*)",
    ],
)
def test_no_operator_of_a_family_that_reaches_out_is_allowed(registry, family):
    found = {name for name in registry if re.fullmatch(family, name)}
    assert found
    assert found & ALLOWED <= {"PrintV2"}


def test_what_stands_apart_is_not_allowed_as_such():
    assert ALLOWED.isdisjoint(SAVING | TABLES_FROM_FILES)
    assert RESTORING < SAVING


@pytest.mark.parametrize(
    "names",
    [
        "MatMul BiasAdd Conv2D DepthwiseConv2dNative FusedBatchNormV3 MaxPool AvgPool Softmax Einsum Relu Tanh Erf",
        "VarHandleOp ReadVariableOp AssignVariableOp VariableV2 Assign StatefulPartitionedCall PartitionedCall",
        "If While Case StatelessIf StatelessWhile Switch Merge Enter Exit NextIteration LoopCond Placeholder Const",
        "TensorListReserve TensorListStack TensorArrayV3 RaggedTensorToTensor SparseTensorDenseMatMul CudnnRNNV3",
        "HashTableV2 MutableHashTableV2 LookupTableFindV2 LookupTableImportV2 LookupTableExportV2 InitializeTableV2",
        "StringSplitV2 StringLower StaticRegexReplace StringToHashBucketFast StringNGrams StringJoin UnicodeDecode",
        "ParseExample ParseExampleV2 ParseSingleExample ParseSequenceExampleV2 DecodeRaw DecodeCSV ParseTensor",
        "DecodeJpeg DecodePng DecodeGif DecodeBmp DecodeImage DecodeWav ResizeBilinear CropAndResize DecodeBase64",
        "Bucketize DenseBincount SparseBincount OneHot RandomUniform ImageProjectiveTransformV3 Qr",
        "NonMaxSuppressionV5 CombinedNonMaxSuppression QuantizeAndDequantizeV4 FakeQuantWithMinMaxVars TopKV2 Unique",
        "TensorSliceDataset MapDataset BatchDatasetV2 DatasetToSingleElement RFFT AudioSpectrogram Mfcc NoOp Assert",
    ],
)
def test_what_models_are_made_of_is_allowed(names):
    assert set(names.split()) - ALLOWED == set()
