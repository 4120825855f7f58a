"""Writes the SavedModels of TensorFlow Serving's examples: ``<folder>/<name>/1/``. One process for all.

They are written anew from what the examples' exporters do, with weights that make the answers easy to tell:

mnist            graph of TensorFlow 1: predict_images: images -> scores; serving_default classifies tf.Example
half_plus_two    graph of TensorFlow 1: y = x / 2 + 2, y2 = x / 2 + 3, by Predict, Classify and Regress
half_plus_two_2  the same as tf.function: every signature has the method predict
resnet           input_1 -> activation_49: the sums of the colours of an image
no_default       two signatures, neither of them serving_default
single           one signature, which is not serving_default
counter          graph of TensorFlow 1 with a variable of the old kind, which its signatures change and return
two_graphs       a graph for training beside the one that is served
odd              serving_default, and a signature that has no wire format
"""

import sys
from pathlib import Path

import tensorflow as tf

FOLDER = Path(sys.argv[1])
V1 = tf.compat.v1
SIGNATURES = V1.saved_model.signature_def_utils
INFO = V1.saved_model.utils.build_tensor_info
FEATURES = {
    "x": tf.io.FixedLenFeature([1], tf.float32),
    "x2": tf.io.FixedLenFeature([1], tf.float32, default_value=[0.0]),
}


def mnist():
    with tf.Graph().as_default(), V1.Session() as session:
        serialised = V1.placeholder(tf.string, name="tf_example")  # of any rank, as in the example
        features = tf.io.parse_example(serialised, {"x": tf.io.FixedLenFeature([784], tf.float32)})
        x = tf.identity(features["x"], name="x")
        # The client's images are bright in the tenth that their label names.
        weights = tf.Variable(tf.repeat(tf.eye(10), [78] * 9 + [82], axis=0), name="w", use_resource=True)
        scores = tf.nn.softmax(tf.matmul(x, weights), name="y")
        values, places = tf.nn.top_k(scores, 10)
        table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(tf.range(10, dtype=tf.int64), [str(n) for n in range(10)]), ""
        )
        classes = table.lookup(tf.cast(places, tf.int64))
        session.run(V1.global_variables_initializer())
        signatures = {
            "predict_images": _signature({"images": x}, {"scores": scores}, "predict"),
            "serving_default": _signature(
                {"inputs": serialised}, {"classes": classes, "scores": values}, "classify"
            ),
        }
        _save(session, "mnist", signatures, main_op=V1.tables_initializer())


def half_plus_two():
    with tf.Graph().as_default(), V1.Session() as session:
        serialised = V1.placeholder(tf.string, name="tf_example")
        features = tf.io.parse_example(serialised, FEATURES)
        x, x2 = tf.identity(features["x"], name="x"), tf.identity(features["x2"], name="x2")
        half = tf.Variable(0.5, name="a")
        y, y2, y3 = half * x + 2.0, half * x + 3.0, half * x2 + 3.0
        session.run(V1.global_variables_initializer())
        signatures = {
            "serving_default": _signature({"x": x}, {"y": y}, "predict"),
            "classify_x_to_y": _signature({"inputs": serialised}, {"scores": y}, "classify"),
            "regress_x_to_y": _signature({"inputs": serialised}, {"outputs": y}, "regress"),
            "regress_x_to_y2": _signature({"inputs": serialised}, {"outputs": y2}, "regress"),
            "regress_x2_to_y3": _signature({"inputs": x2}, {"outputs": y3}, "regress"),
        }
        _save(session, "half_plus_two", signatures)


class HalfPlusTwo(tf.Module):
    def __init__(self):
        super().__init__()
        self.half = tf.Variable(0.5)

    def _of(self, serialised):
        return tf.io.parse_example(serialised, FEATURES)["x"]

    @tf.function(input_signature=[tf.TensorSpec([None, 1], tf.float32, name="x")])
    def predict(self, x):
        return {"y": self.half * x + 2.0}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def classify(self, inputs):
        return {"scores": self.half * self._of(inputs) + 2.0}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def regress(self, inputs):
        return {"outputs": self.half * self._of(inputs) + 2.0}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.complex64, name="x")])
    def complex(self, x):
        return {"y": tf.abs(x)}


class Colours(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32, name="input_1")])
    def serve(self, input_1):
        return {"activation_49": tf.reduce_sum(input_1, axis=[1, 2])}


def of_functions():
    half, colours = HalfPlusTwo(), Colours()
    saved = {
        "half_plus_two_2": {
            "serving_default": half.predict,
            "classify_x_to_y": half.classify,
            "regress_x_to_y": half.regress,
        },
        "no_default": {"two": half.regress, "one": half.predict},
        "single": {"only": half.predict},
        "odd": {"serving_default": half.predict, "complex": half.complex},
    }
    for name, signatures in saved.items():
        tf.saved_model.save(half, str(FOLDER / name / "1"), signatures=signatures)
    tf.saved_model.save(colours, str(FOLDER / "resnet" / "1"), signatures={"serving_default": colours.serve})


def counter():
    with tf.Graph().as_default(), V1.Session() as session:
        delta = V1.placeholder(tf.float32, name="delta")  # of any rank, as in the example
        count = V1.get_variable("counter", initializer=0.0, use_resource=False)
        outputs = {
            "get_counter": count,
            "incr_counter": V1.assign_add(count, 1.0),
            "incr_counter_by": V1.assign_add(count, delta),
            "reset_counter": V1.assign(count, 0.0),
        }
        session.run(V1.global_variables_initializer())
        signatures = {
            name: _signature(
                {"delta": delta} if name == "incr_counter_by" else {}, {"output": output}, "predict"
            )
            for name, output in outputs.items()
        }
        _save(session, "counter", signatures)


def two_graphs():
    with tf.Graph().as_default(), V1.Session() as session:
        x = V1.placeholder(tf.float32, [None, 1])
        y = x + tf.Variable(1.0, name="a")
        session.run(V1.global_variables_initializer())
        builder = V1.saved_model.builder.SavedModelBuilder(str(FOLDER / "two_graphs" / "1"))
        builder.add_meta_graph_and_variables(
            session, ["train"], {"serving_default": _signature({"x": x}, {"wrong": y}, "predict")}
        )
        builder.add_meta_graph(["serve"], {"serving_default": _signature({"x": x}, {"y": y}, "predict")})
        builder.save()


def _signature(inputs, outputs, method):
    described = ({name: INFO(tensor) for name, tensor in side.items()} for side in (inputs, outputs))
    return SIGNATURES.build_signature_def(*described, f"tensorflow/serving/{method}")


def _save(session, name, signatures, main_op=None):
    builder = V1.saved_model.builder.SavedModelBuilder(str(FOLDER / name / "1"))
    builder.add_meta_graph_and_variables(
        session, ["serve"], signatures, main_op=main_op, strip_default_attrs=True
    )
    builder.save()


mnist()
half_plus_two()
of_functions()
counter()
two_graphs()
