"""Sets the groups of three-dimensional convolutions, which tf2onnx leaves out."""

import onnx

from converter.exporters.onnx.rewrites.inferred_values import Values

KERNEL_RANK = 5
"""Rank of a Conv3D kernel, (out, in / groups, depth, height, width); at lower ranks tf2onnx is correct."""


def set_groups(proto: onnx.ModelProto) -> None:
    """Give each three-dimensional Conv the number of groups that follows from the channels of its input, in place.

    TensorFlow does not store the groups: groups = channels of the input / kernel.shape[1]. A Conv whose
    channels are unknown stays as it is.
    """
    convolutions = [node for node in proto.graph.node if node.op_type == "Conv"]
    if not convolutions:
        return
    values = Values(proto)
    for node in convolutions:
        data, kernel = (values.shape(name) for name in node.input[:2])
        if data is None or kernel is None or len(kernel) != KERNEL_RANK:
            continue
        if data[1] and kernel[1] and data[1] != kernel[1]:
            _set_group(node, data[1] // kernel[1])


def _set_group(node: onnx.NodeProto, groups: int) -> None:
    kept = [attribute for attribute in node.attribute if attribute.name != "group"]
    del node.attribute[:]
    node.attribute.extend([*kept, onnx.helper.make_attribute("group", groups)])
