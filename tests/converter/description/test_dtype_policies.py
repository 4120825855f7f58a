"""A policy is read only if it is one that says how floats are computed; a quantized layer is refused as such."""

import numpy as np
import pytest

from converter.archive import Weight
from converter.description.dtype_policies import read_policy, require_not_quantized
from converter.errors import UnsupportedError
from converter.graph import Layer

WHERE = "layer 'act'"


def policy(class_name, module="keras.dtype_policies", **config):
    return {"module": module, "class_name": class_name, "config": config, "registered_name": None}


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        (None, "float32"),
        ("mixed_float16", "mixed_float16"),
        ("int32", "int32"),
        ("string", "string"),
        (policy("DTypePolicy", "keras", name="bfloat16"), "bfloat16"),
        (policy("FloatDTypePolicy", name="float16"), "float16"),
        ({"class_name": "Policy", "config": {"name": "mixed_float16"}}, "mixed_float16"),
        (policy("DTypePolicy", name=None), "float32"),
    ],
)
def test_a_plain_policy_is_its_name(dtype, name):
    assert read_policy(dtype, WHERE) == name


@pytest.mark.parametrize(
    ("dtype", "mode"),
    [
        (policy("QuantizedDTypePolicy", mode="int8", source_name="float32"), "int8"),
        (policy("QuantizedFloat8DTypePolicy", mode="float8", source_name="float32"), "float8"),
        (policy("Int4DTypePolicy", mode="int4/128", source_name="mixed_bfloat16"), "int4"),
        (policy("GPTQDTypePolicy", mode="gptq/4/128", source_name="float32"), "gptq"),
        (policy("QuantizedDTypePolicy", name="int8_from_float32"), "int8"),
        ("int8_from_mixed_bfloat16", "int8"),
        (
            policy(
                "DTypePolicyMap",
                default_policy=policy("DTypePolicy", name="float32"),
                policy_map={"dense": policy("QuantizedDTypePolicy", mode="int8", source_name="float32")},
            ),
            "int8",
        ),
    ],
)
def test_a_quantized_layer_is_refused_with_its_mode_and_what_to_do(dtype, mode):
    with pytest.raises(UnsupportedError, match=f"is quantized to {mode}, which") as refusal:
        read_policy(dtype, WHERE)
    assert "before quantize()" in refusal.value.hint
    assert refusal.value.where == WHERE


@pytest.mark.parametrize(
    "dtype",
    [
        "complex64", "int8x", "float8", 3, ["float32"],
        policy("TheirPolicy", name="float32"),
        policy("DTypePolicy", None, name="float32"),
        policy("DTypePolicy", "theirs", name="float32"),
        policy(["DTypePolicy"], name="float32"),
        policy("DTypePolicyMap", default_policy=None, policy_map={}),
        policy("DTypePolicy", name=["float32"]),
        {"config": {"name": "float32"}},
        {"class_name": "DTypePolicy", "config": "float32"},
    ],
    ids=str,
)  # fmt: skip
def test_any_other_policy_is_not_known(dtype):
    with pytest.raises(UnsupportedError, match="which is not known"):
        read_policy(dtype, WHERE)


def test_weights_stored_as_bytes_are_quantized_whatever_the_policy_says():
    stored = {"query_dense/vars/0": Weight.of(np.zeros((2, 2), np.int8))}
    with pytest.raises(UnsupportedError, match="quantized to int8"):
        require_not_quantized(Layer("act", "MultiHeadAttention", weights=stored))
    require_not_quantized(
        Layer("act", "Normalization", weights={"vars/2": Weight.of(np.zeros((), np.int32))})
    )
