"""Writes SavedModels, good and hostile, into a folder: ``<folder>/<name>/``. One process for all."""

import sys
from pathlib import Path

import keras
import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import AssetFileDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow.python.framework import op_def_library

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


def operator(kind, **arguments):
    """An operator for which TensorFlow has no function of its own."""
    return op_def_library.apply_op(kind, **arguments)


export(
    "dump",
    lambda x: operator(
        "DumpTensor",
        tensor_data=x,
        log_dir_path=str(folder),
        file_name="dumped",
        func_name="f",
        node_name="n",
        enabled=True,
    ),
)
export(
    "calibrate",
    lambda x: operator(
        "CalibrationStatisticsSaver",
        args=[tf.reduce_min(x), tf.reduce_max(x), tf.constant([1], tf.int64)],
        ids=["a"],
        calibration_methods=[1],
        output_file_path=str(folder / "calibrated"),
    ),
)
export(
    "mapped_memory", lambda x: tf.raw_ops.ImmutableConst(dtype=x.dtype, shape=[1], memory_region_name=secret)
)
export("graph_in_a_tensor", lambda _: operator("DatasetFromGraph", graph_def=tf.constant("")))
export("descriptors", lambda _: tf.io.decode_proto(tf.constant([""]), "M", ["a"], [tf.int32], secret)[0])
export("end", lambda _: tf.raw_ops.Abort(error_msg="ends the server"))


def filled(filename):
    """A table with the lines of a file."""
    table = tf.raw_ops.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64, shared_name="t")
    return tf.raw_ops.InitializeTableFromTextFileV2(
        table_handle=table, filename=filename, key_index=-2, value_index=-1
    )


export("table", lambda _: filled(tf.constant(secret)))
export("table_copied", lambda _: filled(tf.identity(tf.identity(tf.constant(secret)))))
export("table_joined", lambda _: filled(tf.strings.join([secret[:3], secret[3:]])))


@tf.function
def called(filename):
    with tf.control_dependencies([filled(filename)]):
        return tf.identity(filename)


export("table_called", lambda _: called(tf.constant(secret)))
export("table_branched", lambda x: tf.cond(tf.size(x) > 0, lambda: called(secret), lambda: tf.constant("")))


class Requested(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([], tf.string, name="x")])
    def serve(self, x):
        """The file that a request names."""
        with tf.control_dependencies([filled(x)]):
            return {"y": tf.identity(x)}


requested = Requested()
tf.saved_model.save(requested, folder / "table_requested", signatures={"serving_default": requested.serve})


def changed(name, source, change):
    """A copy of a model of which its author changed what was saved."""
    model = SavedModel.FromString((folder / source / "saved_model.pb").read_bytes())
    change(model.meta_graphs[0])
    for file in (folder / source).rglob("*"):
        if file.is_file():
            place = folder / name / file.relative_to(folder / source)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(file.read_bytes())
    (folder / name / "saved_model.pb").write_bytes(model.SerializeToString())


def asset_elsewhere(graph):
    graph.asset_file_def[0].filename = "../../../secret"


def not_an_asset(graph):
    """What the loader binds to the name of the file is a text of the graph's."""
    described = graph.object_graph_def
    constant = len(described.nodes)
    described.nodes.add().constant.operation = "Const"
    for function in described.concrete_functions.values():
        kinds = [described.nodes[each].WhichOneof("kind") for each in function.bound_inputs]
        if "asset" in kinds:
            function.bound_inputs[kinds.index("asset")] = constant


def twice(graph):
    graph.graph_def.library.function.add().CopyFrom(graph.graph_def.library.function[0])


changed("asset_elsewhere", "good", asset_elsewhere)
changed("not_an_asset", "good", not_an_asset)
changed("twice", "good", twice)


def old_fashioned_table(name, *, answers=False, asset=True, saved=False):
    """A model of TensorFlow 1 with a table, which is filled when it is loaded, or by each answer."""
    v1 = tf.compat.v1
    (folder / "words.txt").write_text("a\nb\n")
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None], "x")
        filename = tf.constant(str(folder / "words.txt"), name="filename")
        if asset:
            v1.add_to_collection(v1.GraphKeys.ASSET_FILEPATHS, filename)
        table = tf.raw_ops.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64, shared_name="t")
        fill = tf.raw_ops.InitializeTableFromTextFileV2(
            table_handle=table, filename=filename, key_index=-2, value_index=-1
        )
        written = tf.raw_ops.SaveV2(prefix=secret, tensor_names=["x"], shape_and_slices=[""], tensors=[1.0])
        with tf.control_dependencies([fill] if answers else []):
            found = tf.raw_ops.LookupTableFindV2(
                table_handle=table, keys=tf.constant("b"), default_value=tf.constant(-1, tf.int64)
            )
        y = tf.add(x, tf.cast(tf.ensure_shape(found, []), tf.float32), name="y")
        builder = v1.saved_model.Builder(str(folder / name))
        signature = v1.saved_model.predict_signature_def({"x": x}, {"y": y})
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            {"serving_default": signature},
            assets_collection=v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS),
            main_op=tf.group(fill, *([written] if saved else [])),
            strip_default_attrs=True,
        )
        builder.save()


old_fashioned_table("good_v1_table")
old_fashioned_table("v1_table_in_answers", answers=True)
old_fashioned_table("v1_table_of_any_file", asset=False)
old_fashioned_table("v1_saves_at_load", saved=True)


def another_output(graph):
    """The loader gives the path of the asset to one output of a node, and the table takes another."""
    both = graph.graph_def.node.add(name="both", op="IdentityN", input=["filename", "SaveV2/prefix"])
    both.attr["T"].list.type.extend([tf.string.as_datatype_enum] * 2)
    for node in graph.graph_def.node:
        if node.op == "InitializeTableFromTextFileV2":
            node.input[1] = "both:1"
    described = graph.collection_def["saved_model_assets"].any_list.value[0]
    asset = AssetFileDef()
    described.Unpack(asset)
    asset.tensor_info.name = "both:0"
    described.Pack(asset)


changed("v1_table_of_another_output", "good_v1_table", another_output)


# What people serve: models of Keras with every kind of preprocessing, and graphs as TensorFlow's guides write them.


def text(vocabulary):
    words = keras.Input((1,), dtype="string", name="x")
    y = keras.layers.TextVectorization(vocabulary=vocabulary, output_sequence_length=6)(words)
    y = keras.layers.Embedding(8, 4, mask_zero=True)(y)
    y = keras.layers.Bidirectional(keras.layers.LSTM(4, return_sequences=True))(y)
    y = keras.layers.MultiHeadAttention(2, 4)(y, y)
    y = keras.layers.GRU(4)(keras.layers.LayerNormalization()(y))
    return keras.Model(words, keras.layers.Dense(2, activation="softmax", name="y")(y))


def image():
    x = keras.Input((16, 16, 3), name="x")
    y = keras.layers.Rescaling(1 / 255)(keras.layers.Resizing(12, 12)(keras.layers.CenterCrop(14, 14)(x)))
    y = keras.layers.RandomRotation(0.1)(keras.layers.RandomFlip()(y))
    y = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3, activation="relu")(y))
    y = keras.layers.SeparableConv2D(4, 3, activation="gelu")(keras.layers.DepthwiseConv2D(3)(y))
    y = keras.layers.MaxPooling2D()(keras.layers.UpSampling2D()(keras.layers.Conv2DTranspose(4, 3)(y)))
    y = keras.layers.GlobalAveragePooling2D()(keras.layers.Dropout(0.1)(keras.layers.GaussianNoise(0.1)(y)))
    return keras.Model(x, keras.layers.Dense(2, name="y")(y))


def categories(word_file):
    words = keras.Input((1,), dtype="string", name="words")
    numbers = keras.Input((1,), dtype="int64", name="numbers")
    sizes = keras.Input((1,), name="sizes")
    normal = keras.layers.Normalization(mean=1.0, variance=2.0)
    parts = [
        keras.layers.StringLookup(vocabulary=["a", "b"], output_mode="one_hot")(words),
        keras.layers.StringLookup(vocabulary=word_file, output_mode="multi_hot")(words),
        keras.layers.IntegerLookup(vocabulary=[3, 5], output_mode="one_hot")(numbers),
        keras.layers.Hashing(4, output_mode="one_hot")(words),
        keras.layers.CategoryEncoding(9, output_mode="one_hot")(
            keras.layers.HashedCrossing(9)((words, numbers))
        ),
        keras.layers.Discretization([0.5, 1.5], output_mode="one_hot")(sizes),
        normal(sizes),
    ]
    parts = [keras.ops.cast(each, "float32") for each in parts]
    return keras.Model([words, numbers, sizes], keras.layers.Concatenate(name="y")(parts))


def parse(serialized):
    """As TensorFlow Serving's own examples take requests."""
    features = tf.io.parse_example(
        serialized,
        {"x": tf.io.FixedLenFeature([2], tf.float32, [0.0, 0.0]), "ids": tf.io.VarLenFeature(tf.int64)},
    )
    ids = tf.sparse.to_dense(tf.cast(features["ids"], tf.float32))
    return tf.reduce_sum(features["x"], 1) + tf.reduce_sum(ids, 1)


def decode(images):
    """As image models take files: JPEG, PNG, GIF or BMP."""
    blank = tf.io.encode_png(tf.zeros([4, 4, 3], tf.uint8))

    def one(data):
        data = tf.where(tf.strings.length(data) > 9, data, blank)
        return tf.image.resize(tf.io.decode_image(data, 3, expand_animations=False), [4, 4])

    return tf.map_fn(one, images, tf.float32)


def sentences(lines):
    """As text embeddings of TensorFlow Hub work: split, hash, look up, mean."""
    words = tf.strings.split(tf.strings.regex_replace(tf.strings.lower(lines), "[^a-z ]", "")).to_sparse()
    ids = tf.SparseTensor(words.indices, tf.strings.to_hash_bucket_fast(words.values, 16), words.dense_shape)
    table = tf.reshape(tf.range(32, dtype=tf.float32), [16, 2])
    return tf.nn.safe_embedding_lookup_sparse([table], ids, combiner="sqrtn")


def pipeline(lines):
    """As TensorFlow's guides put preprocessing into a model: a data set of what came."""
    words = tf.data.Dataset.from_tensor_slices(lines).map(tf.strings.length).batch(8)
    return tf.reshape(words.take(1).get_single_element(), [-1])


def exported(name, function):
    module = tf.Module()
    signature = [tf.TensorSpec([None], tf.string, name="x")]
    module.serve = tf.function(lambda x: {"y": function(x)}, input_signature=signature)
    tf.saved_model.save(module, folder / name, signatures={"serving_default": module.serve})


text(["a", "b"]).export(folder / "good_text", verbose=False)
text(str(folder / "words.txt")).export(folder / "good_text_file", verbose=False)
image().export(folder / "good_image", verbose=False)
categories(str(folder / "words.txt")).export(folder / "good_categories", verbose=False)
for kind, function in (
    ("parse", parse),
    ("decode", decode),
    ("pipeline", pipeline),
    ("sentences", sentences),
):
    exported(f"good_{kind}", function)
(folder / "words.txt").unlink()
