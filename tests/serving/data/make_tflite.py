"""Makes the TFLite models beside this file: ``python tests/serving/data/make_tflite.py`` (needs TensorFlow).

affine.tflite   x: FP32 [-1,3] -> y = 2 x + 1
labels.tflite   text: BYTES [-1], ids: INT32 [-1] -> same = (text == "b"), label = ["a", "b", "c"][ids]
"""

from pathlib import Path

import tensorflow as tf

HERE = Path(__file__).resolve().parent


class Affine(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x")])
    def serve(self, x):
        return {"y": 2.0 * x + 1.0}


class Labels(tf.Module):
    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, name="text"),
            tf.TensorSpec([None], tf.int32, name="ids"),
        ]
    )
    def serve(self, text, ids):
        return {"same": tf.equal(text, "b"), "label": tf.gather(tf.constant(["a", "b", "c"]), ids)}


for module in (Affine(), Labels()):
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [module.serve.get_concrete_function()], module
    )
    (HERE / f"{type(module).__name__.lower()}.tflite").write_bytes(converter.convert())
