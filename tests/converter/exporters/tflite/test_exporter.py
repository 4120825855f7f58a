"""TFLite files: builtin operators, names, alignment, and refusals."""

import keras
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

from converter.artefacts.runtimes import open_artefact
from converter.errors import UnsupportedError
from converter.signature import Signature, TensorSpec

layers = keras.layers


def two_ends(*, swapped=False):
    """Two inputs and two outputs, in either order."""
    keras.utils.set_random_seed(2)
    a, b = keras.Input((4,), name="a"), keras.Input((3,), name="b")
    h = layers.Rescaling(3.0)(layers.Dense(3)(a))
    y = layers.Dense(2, activation="softmax", name="y")(layers.Activation("softsign")(h))
    z = layers.Add(name="z")([h, b])
    return keras.Model([b, a], [z, y]) if swapped else keras.Model([a, b], [y, z])


def flatbuffer(path):
    return schema.ModelT.InitFromPackedBuf(bytearray(path.read_bytes()), 0)


@pytest.mark.parametrize("swapped", [False, True])
def test_ends_stand_in_the_order_of_the_signature_under_its_names(export, swapped):
    model = flatbuffer(export(two_ends(swapped=swapped), "tflite"))
    (definition,) = model.signatureDefs
    order = [["a", "b"], ["y", "z"]]
    expected = [names[::-1] for names in order] if swapped else order
    assert definition.signatureKey == b"serving_default"
    assert [[e.name.decode() for e in ends] for ends in (definition.inputs, definition.outputs)] == expected
    graph = model.subgraphs[0]
    for indices, names in zip((graph.inputs, graph.outputs), expected, strict=True):
        assert [graph.tensors[index].name.decode() for index in indices] == names


def test_tensors_are_named_after_operators_and_each_name_is_used_once(export):
    names = [tensor.name.decode() for tensor in flatbuffer(export(two_ends(), "tflite")).subgraphs[0].tensors]
    assert len(set(names)) == len(names)
    assert {"ABS_0", "DIV_0", "FULLY_CONNECTED_0", "FULLY_CONNECTED_0.1"} <= set(names)


def test_every_buffer_is_aligned_as_the_schema_demands(export):
    path = export(two_ends(), "tflite", provenance={"odd": "length"})
    model = schema.Model.GetRootAs(path.read_bytes(), 0)
    starts = [
        buffer._tab.Vector(buffer._tab.Offset(4))
        for buffer in map(model.Buffers, range(model.BuffersLength()))
        if buffer.DataLength()
    ]
    assert len(starts) > 3
    assert [start % 16 for start in starts] == [0] * len(starts)


def test_the_metadata_is_ours_and_what_the_runtime_needs(export):
    model = flatbuffer(export(two_ends(), "tflite"))
    assert [entry.name for entry in model.metadata] == [b"min_runtime_version", b"plainserve"]


def test_a_rescaling_leaves_at_most_one_mul_and_no_add_of_zero(export):
    x = keras.Input((4,), name="x")
    model = keras.Model([x], [layers.Rescaling(3.0, name="y")(layers.Activation("sigmoid")(x))])
    assert open_artefact("tflite", export(model, "tflite")).operators() == {"LOGISTIC": 1, "MUL": 1}


def test_the_bytes_do_not_depend_on_what_the_process_did_before(export):
    first = export(two_ends(), "tflite", stem="first", provenance={"b": 1, "a": 2}).read_bytes()
    for _ in range(3):
        two_ends()  # Keras's and TensorFlow's counters run on
    assert export(two_ends(), "tflite", stem="x/second", provenance={"a": 2, "b": 1}).read_bytes() == first
    assert export(two_ends(), "tflite", stem="third", provenance={"a": 3}).read_bytes() != first


def test_nothing_of_tensorflow_or_the_process_is_in_the_file(export):
    data = export(two_ends(), "tflite").read_bytes()
    for trace in (b"functional", b"StatefulPartitionedCall", b"serving_default_", b"/tmp"):
        assert trace not in data


def recurrent(batch=None, dtype="float32", steps=5):
    x = keras.Input(batch_shape=(batch, steps, 3), name="x", dtype=dtype)
    return keras.Model([x], [layers.LSTM(4, name="memory", dtype=dtype)(x)])


def test_a_loop_of_a_dynamic_batch_is_refused_with_what_to_type(export):
    with pytest.raises(UnsupportedError, match=r"layer 'memory'.*steps is free") as caught:
        export(recurrent(steps=None), "tflite")
    assert "--batch 1" in caught.value.hint
    assert caught.value.exit_code == 4


def test_that_advice_helps(export):
    artefact = open_artefact("tflite", export(recurrent(batch=1), "tflite"))
    artefact.check()
    assert artefact.operators()["WHILE"] == 1


def test_float16_is_refused_because_the_runtime_computes_in_float32(export):
    with pytest.raises(UnsupportedError, match="float32 model"):
        export(recurrent(batch=1, dtype="float16"), "tflite")


def test_an_operation_that_needs_flex_is_refused_by_name_and_layer(export):
    x = keras.Input((3, 3), name="x")
    q = layers.Lambda(lambda x: tf.linalg.qr(x)[0], output_shape=(3, 3), name="orthogonal")
    signature = Signature(
        (TensorSpec("x", (None, 3, 3), "float32"),), (TensorSpec("y", (None, 3, 3), "float32"),)
    )
    with pytest.raises(UnsupportedError, match=r"layer 'orthogonal': .*counterpart of Qr"):
        export(keras.Model([x], [q(x)]), "tflite", signature)


def test_exporting_and_opening_print_nothing(export, capfd):
    open_artefact("tflite", export(two_ends(), "tflite")).check()
    assert capfd.readouterr() == ("", "")
