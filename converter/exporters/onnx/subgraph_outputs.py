"""Adds Identity nodes where a subgraph returns a value that it does not compute.

Before: ``Loop body: (i, go, state) -> (go', state)``. After: ``Loop body: ... state -> Identity -> kept``.
ONNX allows a body to return its own input, a value from outside, or one value twice. OpenVINO refuses a Loop of
TensorFlow whose body returns an input, and onnxruntime any body that returns a value from outside.
"""

import onnx


def separate_subgraph_outputs(graph: onnx.GraphProto) -> None:
    """Separate the outputs of all subgraphs, in place."""
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                separate_subgraph_outputs(attribute.g)
                separate_outputs(attribute.g)


def separate_outputs(body: onnx.GraphProto) -> None:
    """Make each output of a subgraph the output of a node of its own, in place."""
    made = {name for node in body.node for name in node.output}
    for number, value in enumerate(body.output):
        source = value.name
        if source in made:
            made.remove(source)  # the next output of this name is a copy
            continue
        value.name = f"{source}/passed_on_{number}"
        body.node.append(onnx.helper.make_node("Identity", [source], [value.name]))
