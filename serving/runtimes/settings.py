"""The settings of a runtime in a model's config, by the names of Triton's backends."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from serving.errors import ModelLoadError

MOST_THREADS = 256
"""Most threads that a config may give a model, so that a number in a file cannot exhaust the machine."""

KNOWN = frozenset(
    """
    intra_op_thread_count inter_op_thread_count execution_mode enable_mem_arena enable_mem_pattern
    memory.enable_memory_arena_shrinkage session.use_device_allocator_for_initializers
    tflite_num_threads
    TF_NUM_INTRA_THREADS TF_NUM_INTER_THREADS TF_USE_PER_SESSION_THREADS TF_GRAPH_TAG TF_SIGNATURE_DEF
    TF_INIT_OPS_FILE MAX_SESSION_SHARE_COUNT
    """.split()
)
"""The parameters of Triton's backends. Other parameters have no meaning here."""

FLAGS = {"1": True, "true": True, "on": True, "0": False, "false": False, "off": False}
"""How a parameter says on and off."""

LONGEST_NUMBER = 10
"""Digits of a number from which on it is not read."""

SHOWN = 40
"""Characters of a value that an error repeats."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a model's owner decides about how its runtime works.

    Attributes:
        parameters: Settings by name, as Triton's backends know them. A runtime leaves alone what is not for it.
        graph_level: How far the graph is optimised: 0 fully, 1 and -1 less, 2 not at all.
    """

    parameters: Mapping[str, str] = field(default_factory=dict)
    graph_level: int = 0

    def number(self, name: str, most: int) -> int:
        """A parameter that is a whole number; 0 if it is not there.

        Raises:
            ModelLoadError: It is none, or is not from 0 to ``most``.
        """
        text = self.parameters.get(name, "0")
        if not (text.isascii() and text.isdigit() and len(text) < LONGEST_NUMBER and int(text) <= most):
            raise ModelLoadError(
                f"its config has the parameter {name} '{text[:SHOWN]}'; say a number from 0 to {most}"
            )
        return int(text)

    def flag(self, name: str, *, default: bool) -> bool:
        """A parameter that is on or off.

        Raises:
            ModelLoadError: It is neither.
        """
        text = self.parameters.get(name, str(default)).lower()
        if text not in FLAGS:
            raise ModelLoadError(f"its config has the parameter {name} '{text[:SHOWN]}'; say 1 or 0")
        return FLAGS[text]

    def allow(self, *names: str) -> None:
        """Refuse parameters that mean something to a backend of Triton and nothing to this runtime.

        Args:
            names: Those that it has.

        Raises:
            ModelLoadError: Another one is there.
        """
        for name in sorted(KNOWN.intersection(self.parameters).difference(names)):
            raise ModelLoadError(
                f"its config sets the parameter '{name}', which this server does not do for this kind of model; "
                "remove it"
            )

    def refuse_graph_level(self) -> None:
        """Refuse a graph level, for a runtime that has none.

        Raises:
            ModelLoadError: There is one.
        """
        if self.graph_level:
            raise ModelLoadError(
                "its config sets 'optimization.graph.level', which only ONNX models have here; remove it"
            )


DEFAULTS = Settings()
"""Of an owner who decides nothing."""
