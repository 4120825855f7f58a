import io

import h5py
import numpy as np
import pytest

from converter.archive import Budget

KERNEL = "layers/dense/vars/0"


def instead(make):
    """Write something else where the kernel of the dense layer belongs."""

    def write(file):
        del file[KERNEL]
        make(file)

    return write


def external_storage(file):
    file.create_dataset(KERNEL, (4, 3), "f4", external=[("/etc/passwd", 0, 48)])


def virtual(file):
    layout = h5py.VirtualLayout((4, 3), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4, 3))
    file.create_virtual_dataset(KERNEL, layout)


def virtual_of_itself(file):
    file["source"] = np.zeros((4, 3), "f4")
    layout = h5py.VirtualLayout((4, 3), "f4")
    layout[:] = h5py.VirtualSource(".", "source", (4, 3))
    file.create_virtual_dataset(KERNEL, layout)


def huge(file):
    file.create_dataset(KERNEL, (2**20, 2**13), "f4")


def unwritten(file):
    file.create_dataset(KERNEL, (4, 3), "f4")


def packed(file):
    file.create_dataset(KERNEL, data=np.zeros((4, 3), "f4"), compression="gzip")


def unknown_filter(file):
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((4, 3))
    properties.set_filter(32_000, h5py.h5z.FLAG_OPTIONAL, ())
    space = h5py.h5s.create_simple((4, 3))
    h5py.h5d.create(file["layers/dense/vars"].id, b"0", h5py.h5t.IEEE_F32LE, space, properties)


def chunked(file):
    file.create_dataset(KERNEL, data=np.zeros((4, 3), "f4"), chunks=(2, 3))


def large_chunk(file):
    file.create_dataset(KERNEL, (4, 3), "f4", maxshape=(None, None), chunks=(2**14, 2**14))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (external_storage, "keeps its numbers in another file (external storage)"),
        (virtual, "is a virtual dataset, assembled from other files"),
        (virtual_of_itself, "is a virtual dataset, assembled from other files"),
        (huge, "declares 34,359,738,368 bytes, over the limit of 17,179,869,184 in all"),
        (unwritten, "declares 48 bytes but stores 0"),
        (packed, "is packed with HDF5 filter 1; Keras packs nothing"),
        (unknown_filter, "is packed with HDF5 filter 32000; Keras packs nothing"),
        (chunked, "is stored in chunks; Keras stores arrays whole"),
        (large_chunk, "is stored in chunks; Keras stores arrays whole"),
    ],
)
def test_a_dataset_whose_numbers_do_not_lie_plainly_in_the_file_is_refused(
    keras_file, refusal, make, message
):
    error = refusal(keras_file(weights=instead(make)))
    assert error.exit_code == 3
    assert error.what == message
    assert error.where == f"model.keras: model.weights.h5: {KERNEL}"


@pytest.mark.parametrize(
    "data",
    [b"text", "text", np.zeros(3, "c8"), np.zeros(3, "V2"), np.zeros(3, [("a", "f4")]), h5py.Empty("f4")],
    ids=["bytes", "text", "complex", "opaque", "compound", "empty"],
)
def test_a_dataset_that_holds_no_numbers_is_refused(keras_file, refusal, data):
    error = refusal(keras_file(weights=instead(lambda file: file.create_dataset(KERNEL, data=data))))
    assert error.what.startswith("holds ")
    assert error.what.endswith(", not numbers")


@pytest.mark.parametrize("place", ["layers/dense/vars/0", "layers/dense/vars", "layers/dense", "layers"])
@pytest.mark.parametrize(
    ("link", "kind"),
    [
        (h5py.SoftLink("/elsewhere"), "a soft link"),
        (h5py.ExternalLink("/etc/passwd", "/"), "an external link"),
    ],
)
def test_a_link_anywhere_in_a_path_is_refused(keras_file, refusal, place, link, kind):
    def write(file):
        file["elsewhere"] = np.zeros(3, "f4")
        del file[place]
        file[place] = link

    error = refusal(keras_file(weights=write))
    assert error.what == f"is {kind}; weights must lie in the file itself"


@pytest.mark.parametrize("place", ["model_weights", "model_weights/dense", "model_weights/dense/dense"])
def test_a_link_anywhere_in_an_h5_path_is_refused(h5_file, refusal, place):
    def write(file):
        file.move(place, "moved")
        file[place] = h5py.SoftLink("/moved")

    assert refusal(h5_file(write)).what == "is a soft link; weights must lie in the file itself"


def test_a_group_that_contains_itself_is_refused(keras_file, refusal):
    def write(file):
        file["layers/dense/again"] = file["layers"]

    assert refusal(keras_file(weights=write)).what == "is reached in two ways"


def test_numbers_under_two_names_are_refused(keras_file, refusal):
    def write(file):
        file["layers/dense/vars/2"] = file[KERNEL]

    assert refusal(keras_file(weights=write)).what == "is reached in two ways"


def test_a_committed_type_is_refused(keras_file, refusal):
    def write(file):
        file["layers/type"] = np.dtype("f4")

    assert refusal(keras_file(weights=write)).what == "is neither a group nor a dataset"


def test_declared_sizes_are_added_up_over_the_file(h5_file, refusal):
    path = h5_file(lambda file: file.create_dataset("model_weights/dense/extra", data=np.zeros(2000)))
    assert (
        refusal(path, budget=Budget(total_bytes=16_000)).what
        == "declares 16,000 bytes, over the limit of 16,000 in all"
    )


@pytest.mark.parametrize("fields", [{977: 977_000}, {977: 977_000, 977 * 991 * 4: 977_000 * 991 * 4}])
def test_a_header_that_declares_more_than_the_file_holds_is_refused(keras_file, refusal, fields):
    """The size of the storage is the header's word as well, as large as the attacker likes."""

    def write(file):
        file[KERNEL] = np.full((977, 991), 7, "f4")

    data = bytearray(a_file(write))
    start = data.index(np.full(4, 7, "f4").tobytes())
    for old, new in fields.items():
        assert old.to_bytes(8, "little") in data[:start]
        data[:start] = data[:start].replace(old.to_bytes(8, "little"), new.to_bytes(8, "little"))
    error = refusal(keras_file(weights=bytes(data)))
    assert error.exit_code == 3
    assert error.what.startswith(("declares 3,872,828,000 bytes but stores", "is damaged ("))


def a_file(write):
    made = io.BytesIO()
    with h5py.File(made, "w") as file:
        write(file)
    return made.getvalue()


def test_more_objects_than_allowed_are_refused(keras_file, refusal):
    error = refusal(keras_file(), budget=Budget(members=4))
    assert error.what == "is one of more than 4 objects"


def test_a_weight_that_no_layer_owns_is_refused_in_a_keras_file(keras_file, refusal):
    def write(file):
        file["layers/dense_7/vars/0"] = np.zeros(3, "f4")

    error = refusal(keras_file(weights=write))
    assert str(error) == "model.keras: layers/dense_7/vars/0: is a weight that no layer owns"


def test_a_weight_that_no_layer_owns_is_refused_in_an_h5_file(h5_file, refusal):
    def write(file):
        file["model_weights/dense/extra"] = np.zeros(3, "f4")

    assert refusal(h5_file(write)).what == "is a weight that no layer lists"


def test_a_layer_of_weights_that_the_model_does_not_have_is_refused_in_an_h5_file(h5_file, refusal):
    def write(file):
        group = file["model_weights"]
        group.attrs["layer_names"] = ["dense", "pss", "ghost"]
        group.create_group("ghost").attrs["weight_names"] = ["w"]
        group["ghost/w"] = np.zeros(3, "f4")

    assert refusal(h5_file(write)).what == "is a weight that no layer owns"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f["model_weights/dense"].attrs.__setitem__("weight_names", ["dense/none"]), "is missing"),
        (lambda f: f["model_weights/dense"].attrs.__setitem__("weight_names", ["../pss"]), "is missing"),
        (
            lambda f: f["model_weights/dense"].attrs.__setitem__("weight_names", ["dense/bias:0"] * 2),
            "is listed twice",
        ),
        (lambda f: f["model_weights"].attrs.__delitem__("layer_names"), "attribute 'layer_names' is missing"),
        (
            lambda f: f["model_weights"].attrs.__setitem__("layer_names", np.arange(3)),
            "attribute 'layer_names' is not text",
        ),
        (
            lambda f: f["model_weights"].attrs.__setitem__("layer_names", ["x" * 1001]),
            "attribute 'layer_names' holds a text of over 1000 characters",
        ),
        (
            lambda f: f["model_weights"].attrs.__setitem__("layer_names", np.zeros(5000, "i1")),
            "attribute 'layer_names' is larger than allowed",
        ),
        (
            lambda f: f["model_weights"].attrs.__setitem__("layer_names", h5py.Empty("S3")),
            "attribute 'layer_names' is not text",
        ),
        (lambda f: f.attrs.__setitem__("model_config", 3), "attribute 'model_config' is not text"),
        (
            lambda f: f.attrs.__setitem__("model_config", ["{}", "{}"]),
            "attribute 'model_config' is larger than allowed",
        ),
        (
            lambda f: f.attrs.__delitem__("model_config"),
            "holds no model_config: it has weights only, or is no Keras model",
        ),
        (lambda f: f.__delitem__("model_weights"), "is missing"),
    ],
)  # fmt: skip
def test_attributes_that_say_something_else_are_refused(h5_file, refusal, change, message):
    error = refusal(h5_file(change))
    assert (error.exit_code, error.what) == (3, message)


def test_a_sequence_of_variable_length_where_a_text_belongs_is_refused_and_not_read(h5_file, refusal):
    """Reading one whose bytes were damaged ends the process in the library."""

    def write(file):
        sequences = np.empty(1, object)
        sequences[0] = np.arange(3, dtype="i4")
        file["model_weights"].attrs.create("layer_names", sequences, (1,), h5py.vlen_dtype("i4"))

    assert refusal(h5_file(write)).what == "attribute 'layer_names' is not text"


def test_many_names_that_point_to_one_long_text_are_refused_before_they_are_read(h5_file, refusal):
    """Four thousand pointers to one text of 8 MiB would be 32 GiB in memory."""

    def write(file):
        file["model_weights"].attrs["layer_names"] = ["x" * 8 * 2**20]

    error = refusal(h5_file(write))
    assert error.what == "attribute 'layer_names' cannot be read (a heap of 8,388,640 bytes)"


def test_a_heap_whose_free_space_has_no_size_is_refused_and_not_walked_for_ever(h5_file, refusal):
    path = h5_file()
    data = path.read_bytes()
    start = data.index(b"GCOL\x01")
    whole = int.from_bytes(data[start + 8 : start + 16], "little")
    at = start + 16
    while int.from_bytes(data[at : at + 2], "little"):
        at += 16 + (int.from_bytes(data[at + 8 : at + 16], "little") + 7) // 8 * 8
    assert start + whole - at == int.from_bytes(data[at + 8 : at + 16], "little")
    path.write_bytes(data[: at + 8] + bytes(8) + data[at + 16 :])
    assert "a heap whose sizes contradict each other" in refusal(path).what


def test_a_description_longer_than_allowed_is_refused_before_it_is_read(h5_file, refusal):
    path = h5_file(lambda file: file.attrs.__setitem__("model_config", " " * 2**20))
    assert "cannot be read" in refusal(path, budget=Budget(config_bytes=2**18, heap_bytes=2**16)).what


def test_a_newer_form_of_hdf5_is_refused_with_how_to_rewrite_it(keras_file, refusal):
    made = io.BytesIO()
    with h5py.File(made, "w", libver="latest") as file:
        file[KERNEL] = np.zeros((4, 3), "f4")
    error = refusal(keras_file(weights=made.getvalue()))
    assert error.what == "is written in a form of HDF5 that Keras does not use, or is damaged"
    assert "h5repack" in error.hint


def test_a_group_whose_links_lie_in_a_heap_is_refused_and_not_walked(keras_file, refusal):
    """Where such a heap is damaged, the library frees memory that it never allocated."""

    def write(file):
        group = file.create_group("layers/dense_2/vars", track_order=True)
        for number in range(20):
            group[str(number)] = np.zeros(3, "f4")

    error = refusal(keras_file(weights=write))
    assert error.what == "is written in a form of HDF5 that Keras does not use, or is damaged"


def test_a_link_message_that_points_to_a_heap_that_is_not_there_is_refused(keras_file, refusal):
    """The damaged file that ended the process: an ordinary message turned into one of the newer form."""
    made = io.BytesIO()
    with h5py.File(made, "w") as file:
        file["layers/dense/vars/0"] = np.zeros((4, 3), "f4")
        address = h5py.h5o.get_info(file["layers/dense/vars"].id).addr
    data = bytearray(made.getvalue())
    assert data[address + 16 : address + 18] == b"\x11\0"  # a symbol table
    data[address + 16] = 0x02
    error = refusal(keras_file(weights=bytes(data)))
    assert error.exit_code == 3
    assert "is damaged" in error.what


def test_a_kernel_that_is_one_number_is_refused_where_the_input_shape_is_taken_from_it(
    keras_file, refusal, config
):
    del config["config"]["layers"][0]

    def write(file):
        del file[KERNEL]
        file[KERNEL] = np.float32(1)

    error = refusal(keras_file(config=config, weights=write))
    assert error.exit_code in {3, 4}
