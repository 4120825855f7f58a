"""Writes SavedModels, good and hostile, into a folder: ``<folder>/<name>/``. One process for all."""

import sys
from pathlib import Path

import tensorflow as tf

folder, secret = Path(sys.argv[1]), sys.argv[2]
ROWS = tf.TensorSpec([None], tf.float32, name="x")


def export(name, function, **parts):
    """A SavedModel whose answer is y = x, made by a function that does something else as well."""

    def serve(x):
        made = function(x)
        with tf.control_dependencies([] if made is None else [made]):
            return {"y": tf.identity(x)}

    module = tf.Module()
    for part, value in parts.items():
        setattr(module, part, value)
    module.serve = tf.function(serve, input_signature=[ROWS])
    tf.saved_model.save(module, folder / name, signatures={"serving_default": module.serve})


def table_of(vocabulary):
    return tf.lookup.StaticVocabularyTable(
        tf.lookup.TextFileInitializer(
            vocabulary,
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
        ),
        1,
    )


def keras_like():
    weights = tf.Variable([2.0])
    (folder / "words.txt").write_text("a\nb\n")
    table = table_of(str(folder / "words.txt"))
    export(
        "good",
        lambda x: x * weights + tf.cast(table.lookup(tf.constant("b")), tf.float32),
        w=weights,
        t=table,
    )


def old_fashioned():
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, [None], "x")
        weight = tf.compat.v1.get_variable("w", initializer=1.0)
        y = tf.multiply(x, weight, name="y")
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.saved_model.simple_save(session, str(folder / "good_v1"), {"x": x}, {"y": y})


keras_like()
old_fashioned()
export("read", lambda _: tf.io.read_file(secret))
export("write", lambda _: tf.io.write_file(secret, "x"))
export("glob", lambda _: tf.io.matching_files("/*"))
export("python", lambda x: tf.py_function(lambda y: y, [x], tf.float32))
export("numpy", lambda x: tf.numpy_function(lambda y: y, [x], tf.float32))
export("print", lambda x: tf.print(x, output_stream=f"file://{secret}"))
export("good_print", tf.print)
export("debug", lambda x: tf.raw_ops.DebugIdentityV2(input=x, debug_urls=[f"file://{secret}"]))
export(
    "save", lambda x: tf.raw_ops.SaveV2(prefix=secret, tensor_names=["x"], shape_and_slices=[""], tensors=[x])
)
export(
    "restore",
    lambda _: tf.raw_ops.RestoreV2(
        prefix=secret, tensor_names=["x"], shape_and_slices=[""], dtypes=[tf.float32]
    )[0],
)
export("branch", lambda x: tf.cond(tf.size(x) > 0, lambda: tf.io.read_file(secret), lambda: tf.constant("")))
export("dataset", lambda _: tf.data.TextLineDataset(secret).reduce(0, lambda n, _: n + 1))
export("mapped", lambda _: tf.map_fn(tf.io.read_file, tf.constant([secret])))
export("nested", lambda _: tf.function(tf.function(lambda: tf.io.read_file(secret)))())
