"""What a model's owner decides about how its runtime works, as Triton's backends are told it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from serving.errors import ModelLoadError

MOST_THREADS = 256
"""As many as a config may give a model: a number in a file must not take the machine."""

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

    def refuse(self, names: Iterable[str]) -> None:
        """Refuse parameters that a runtime has and this server does not set.

        Raises:
            ModelLoadError: One of them is there.
        """
        for name in names:
            if name in self.parameters:
                raise ModelLoadError(
                    f"its config sets the parameter '{name}', which this server does not do; remove it"
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
