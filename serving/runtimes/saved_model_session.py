"""SavedModels of TensorFlow 1 that TensorFlow 2 makes no functions of: run in a session, as TensorFlow Serving does.

Those are graphs with variables of the old kind that a signature returns or changes. Such a model looks to its callers
like one that TensorFlow 2 has loaded: signatures by name, which take and give tensors.
"""

from collections.abc import Mapping
from typing import Any

SERVE = "serve"
"""The tag of the graph that is served."""


class SessionModel:
    """A model in a session of its own, which ends with it.

    Args:
        tf: TensorFlow.
        path: The folder that holds ``saved_model.pb``.
        threads: Most threads of a run.

    Attributes:
        signatures: What can be called, by name.

    Raises:
        Exception: Whatever TensorFlow raises of a folder that it cannot load.
    """

    def __init__(self, tf: Any, path: str, threads: int) -> None:  # noqa: ANN401  TensorFlow has no types
        config = tf.compat.v1.ConfigProto(
            intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads
        )
        session = tf.compat.v1.Session(graph=tf.Graph(), config=config)
        with session.graph.as_default():
            loaded = tf.compat.v1.saved_model.load(session, [SERVE], path)
        self.signatures = {
            name: SessionFunction(tf, session, described)
            for name, described in loaded.signature_def.items()
            # A sparse tensor has no name of its own.
            if all(info.name for side in (described.inputs, described.outputs) for info in side.values())
        }


class SessionFunction:
    """One signature of such a model.

    Args:
        tf: TensorFlow.
        session: The session that holds the model.
        described: What the file says of the signature, a ``SignatureDef``.

    Attributes:
        structured_input_signature: Its inputs by name, second of two, as of TensorFlow's functions.
        structured_outputs: Its outputs by name.
    """

    def __init__(self, tf: Any, session: Any, described: Any) -> None:  # noqa: ANN401  likewise
        self._tf = tf
        self._session = session
        self._in = {name: info.name for name, info in described.inputs.items()}
        self._out = {name: info.name for name, info in described.outputs.items()}
        self.structured_input_signature = (), _specs(tf, session.graph, self._in)
        self.structured_outputs = _specs(tf, session.graph, self._out)

    def __call__(self, **inputs: Any) -> dict[str, Any]:  # noqa: ANN401  tensors
        """Run the signature once; all of its outputs."""
        fed = {self._in[name]: tensor.numpy() for name, tensor in inputs.items()}
        results = self._session.run(self._out, fed)
        return {name: self._tf.constant(result) for name, result in results.items()}


def _specs(tf: Any, graph: Any, names: Mapping[str, str]) -> dict[str, Any]:  # noqa: ANN401  likewise
    """What the tensors of these names are; the graph knows it where the signature does not say."""
    tensors = {name: graph.get_tensor_by_name(each) for name, each in names.items()}
    return {name: tf.TensorSpec(each.shape, each.dtype.base_dtype) for name, each in tensors.items()}
