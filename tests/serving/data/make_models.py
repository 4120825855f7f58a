"""Makes the models beside this file: ``python tests/serving/data/make_models.py`` (needs TensorFlow).

affine.tflite      x: FP32 [-1,3] -> y = 2 x + 1
labels.tflite      text: BYTES [-1], ids: INT32 [-1] -> same = (text == "b"), label = ["a", "b", "c"][ids]
same.tflite        text: BYTES [-1] -> same = (text == "b")
signatures.tflite  serving_default: x: FP32 [-1,3] -> y = 2 x + 1
                   predict_images: images: FP32 [-1,3] -> scores = 3 images
                   a_text, whose graph is the first: text: BYTES [-1] -> same = (text == "b")
both.savedmodel    x: FP32 [-1,3], text: BYTES [-1] -> y = 2 x + 1, back = text
"""

import tempfile
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


class Same(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def serve(self, text):
        return {"same": tf.equal(text, "b")}


class Both(tf.Module):
    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 3], tf.float32, name="x"),
            tf.TensorSpec([None], tf.string, name="text"),
        ]
    )
    def serve(self, x, text):
        return {"y": 2.0 * x + 1.0, "back": tf.identity(text)}


class Signatures(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="images")])
    def images(self, images):
        return {"scores": 3.0 * images}


def write_signatures():
    module, affine, same = Signatures(), Affine(), Same()
    module.parts = [affine, same]
    signatures = {"a_text": same.serve, "predict_images": module.images, "serving_default": affine.serve}
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures=signatures)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=list(signatures))
        (HERE / "signatures.tflite").write_bytes(converter.convert())


write_signatures()

both = Both()
tf.saved_model.save(both, HERE / "both.savedmodel", signatures={"serving_default": both.serve})

for module in (Affine(), Labels(), Same()):
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [module.serve.get_concrete_function()], module
    )
    (HERE / f"{type(module).__name__.lower()}.tflite").write_bytes(converter.convert())
