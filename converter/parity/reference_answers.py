"""The outputs of the original for all inputs that artefacts are compared on."""

import gc

from converter.graph import Graph
from converter.options import Options
from converter.parity.probes import probes
from converter.parity.reference import Answer, Reference, input_hints
from converter.parity.samples import sample_probes
from converter.signature import Signature


def reference_answers(graph: Graph, signature: Signature, options: Options) -> tuple[list[Answer], list[str]]:
    """Run the original on the user's samples and on generated inputs.

    Args:
        graph: The original.
        signature: Its inputs and outputs.
        options: The samples, and the seed of the generated inputs.

    Returns:
        The answers, and remarks about the inputs for the reader of a manifest.

    Raises:
        UnsupportedError: The original cannot be run.
        UsageError: The samples do not fit the model.
    """
    chosen = list(probes(signature.inputs, input_hints(graph), options.seed))
    if options.samples:
        chosen = sample_probes(options.samples, options.expected, signature) + chosen
    answers = Reference(graph).answers(chosen, skip_refused=options.custom_objects is not None)
    gc.collect()  # a Keras model is cyclic: without this its weights stay in memory beside those of the next
    left_out = len(chosen) - len(answers)
    note = f"{left_out} of {len(chosen)} generated inputs are left out, because your code does not take them."
    return answers, [note] if left_out else []
