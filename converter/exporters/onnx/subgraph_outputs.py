"""Identities where a subgraph answers with what it was given.

Before: ``Loop body: (i, go, state) -> (go', state)``. After: ``Loop body: ... state -> Identity -> kept``.
ONNX lets a body return its own input, what stands outside of it, or one value twice. OpenVINO refuses a Loop of
TensorFlow's whose body returns an input, and onnxruntime any body that returns what stands outside.
"""

import onnx


def separate_passed_on(graph: onnx.GraphProto) -> None:
    """Separate the outputs of all subgraphs, in place."""
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                separate_passed_on(attribute.g)
                separate_outputs(attribute.g)


def separate_outputs(body: onnx.GraphProto) -> None:
    """Let each output of a subgraph be made by a node of its own, in place."""
    made = {name for node in body.node for name in node.output}
    for number, value in enumerate(body.output):
        source = value.name
        if source in made:
            made.remove(source)  # the next output of this name is a copy
            continue
        value.name = f"{source}/passed_on_{number}"
        body.node.append(onnx.helper.make_node("Identity", [source], [value.name]))
