"""The warning about formulas that are only stated or assumed, with the commands that would prove them."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from converter.basis import Basis
from converter.description import Finding

_SHOWN = 3
_REPLACED = frozenset({"--samples", "--expected"})
_HOW = {Basis.ASSUMED: "assumed from a name", Basis.STATED: "stated with --activation"}


@dataclass(frozen=True)
class UnprovedWarning:
    """The warning for one model.

    Attributes:
        what: What was not proved, in one sentence.
        code: Lines of Python that record the outputs of the model where it is in memory.
        command: The command that then proves it.
    """

    what: str
    code: tuple[str, ...]
    command: str

    def to_json(self) -> dict[str, object]:
        """JSON values."""
        return {"what": self.what, "record": list(self.code), "prove": self.command}


def unproved_warning(
    unproved: Sequence[Finding],
    inputs: Sequence[str],
    outputs: Sequence[str],
    command: Sequence[str],
) -> UnprovedWarning:
    """Make the warning.

    Args:
        unproved: The findings whose formula is stated or assumed; at least one.
        inputs: Public names of the model's inputs, in order.
        outputs: Public names of its outputs, in order.
        command: The command's arguments for this model, as they were typed.
    """
    several = "; ".join(map(_assumption, unproved[:_SHOWN]))
    more = f"; and {len(unproved) - _SHOWN} more" if len(unproved) > _SHOWN else ""
    what = f"not shown to be your model: {several}{more}"
    return UnprovedWarning(what, recording_code(inputs, outputs), shlex.join(_proving(command)))


def _assumption(finding: Finding) -> str:
    mask = " and ends the mask that reaches it" if finding.assumes_mask else ""
    unseen = f" ({finding.unseen})" if finding.unseen else ""
    return f"'{finding.layer}' computes {finding.activation.formula}{mask}, {_HOW[finding.basis]}{unseen}"


def recording_code(inputs: Sequence[str], outputs: Sequence[str]) -> tuple[str, ...]:
    """Three lines of Python that write ``proof.npz`` where ``model`` is in memory and Plainserve is not."""
    rows = ", ".join(f"{name!r}: ..." for name in inputs)
    given = f"x[{inputs[0]!r}]" if len(inputs) == 1 else "list(x.values())"
    if len(outputs) == 1:
        answers = f"{{{outputs[0]!r}: model({given})}}"
    else:
        answers = f"dict(zip({list(outputs)!r}, keras.tree.flatten(model({given}))))"
    clash = set(inputs) & set(outputs)
    if clash:  # one file cannot contain two arrays of one name
        answers = f"{{'output:' + name: y for name, y in {answers}.items()}}"
    return (
        f"x = {{{rows}}}  # rows that look like real data, as numpy arrays",
        f"y = {answers}",
        'np.savez("proof.npz", **x, **y)',
    )


def _proving(command: Sequence[str]) -> list[str]:
    """The same command, with the recorded outputs."""
    kept: list[str] = []
    words = iter(command)
    for word in words:
        if word in _REPLACED:
            next(words, None)
        elif word.partition("=")[0] not in {*_REPLACED, "--no-parity"}:
            kept.append(word)
    return ["convert", *kept, "--samples", "proof.npz"]


def without_others(words: Sequence[str], source: Path, models: Sequence[Path]) -> list[str]:
    """The words of a command, without the other models."""
    others = {str(model) for model in models} - {str(source)}
    return [word for word in words if word not in others]
