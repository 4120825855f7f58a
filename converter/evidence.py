"""Determines how the formula of each activation is known, once it is decided what artefacts are compared with.

The description says how a formula was recognised. The user's code and recorded answers are stronger evidence: with
them, the reference is the user's own model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from converter.activations import Activation
from converter.basis import Basis, weakest
from converter.description import Description, Finding
from converter.description.assumed_built_ins import AssumedBuiltIn
from converter.description.recognition import BuiltInFunction
from converter.errors import ParityError
from converter.user_code import UserCode

_AGAINST = {
    Basis.RECORDED: "recorded answers",
    Basis.CODE: "the user's code",
    Basis.READ: "the formulas that stand in the file",
    Basis.STATED: "stated formulas",
    Basis.ASSUMED: "formulas assumed from names",
}


@dataclass(frozen=True)
class Traced:
    """A place where the user's code was traced instead of a formula.

    Attributes:
        layer: The layer's name.
        instead_of: The formula that was expected there, or the name of a built-in function.
        users: The user's code.
    """

    layer: str
    instead_of: Activation | str
    users: UserCode


@dataclass(frozen=True)
class Evidence:
    """The evidence for an artefact's parity proof.

    Attributes:
        findings: The activations, each with its basis.
        basis: The basis of the whole model: the weakest of the findings, unless recorded answers covered it.
        assumed_built_ins: Functions that are assumed to be Keras's own because of their names.
    """

    findings: tuple[Finding, ...]
    basis: Basis
    assumed_built_ins: tuple[AssumedBuiltIn, ...]

    @property
    def against(self) -> str:
        """A phrase for what artefacts are compared with."""
        return _AGAINST[self.basis]

    @property
    def unproved(self) -> tuple[Finding, ...]:
        """The findings for which parity with the reference is not parity with the user's model."""
        return tuple(finding for finding in self.findings if not finding.basis.proves)


def gather_evidence(
    description: Description,
    traced: Sequence[Traced],
    covered: frozenset[str],
    unseen: Mapping[str, str] | None,
) -> Evidence:
    """Strengthen the basis of the activations that the user's code or recorded answers cover.

    Args:
        description: The activations as they were recognised in the file.
        traced: The places where the user's code was traced.
        covered: Layers whose classes and functions the user's file defines.
        unseen: Layers that recorded answers do not test, with the reason; None if no answers were recorded.
    """
    found = [_by_code(finding, traced, covered) for finding in description.findings]
    known = {finding.activation for finding in found if isinstance(finding.activation, UserCode)}
    found += [
        Finding(each.layer, each.users, f"as your code defines '{each.users.serialized.name}'", Basis.CODE)
        for each in traced
        if each.users not in known
    ]
    if unseen is not None:
        found = [_by_answers(finding, unseen) for finding in found]
    basis = weakest(finding.basis for finding in found)
    everything = unseen is not None and basis.proves
    ours = {(each.layer, each.instead_of) for each in traced}
    taken = tuple(each for each in description.assumed_built_ins if (each.layer, each.name) not in ours)
    return Evidence(tuple(found), Basis.RECORDED if everything else basis, taken)


def _is(finding: Finding, expected: Activation | str) -> bool:
    if isinstance(finding.activation, BuiltInFunction):
        return finding.activation.name == expected
    return finding.activation is expected


def _by_answers(finding: Finding, unseen: Mapping[str, str]) -> Finding:
    if finding.layer in unseen:
        return replace(finding, unseen=unseen[finding.layer])
    return replace(finding, basis=Basis.RECORDED, assumes_mask=False)


def _by_code(finding: Finding, traced: Sequence[Traced], covered: frozenset[str]) -> Finding:
    for each in traced:
        if each.layer == finding.layer and _is(finding, each.instead_of):
            why = f"as your code defines '{each.users.serialized.name}', which is not {finding.activation.formula}"
            return Finding(finding.layer, each.users, why, Basis.CODE)
    return replace(finding, basis=Basis.CODE, assumes_mask=False) if finding.layer in covered else finding


def require_proof(evidence: Evidence) -> None:
    """Refuse a model if parity with the reference does not prove parity with the user's model (``--require-proof``).

    Raises:
        ParityError: The formula of an activation is only stated or assumed.
    """
    if evidence.unproved:
        first = evidence.unproved[0]
        raise ParityError(
            f"{first.activation.formula} is only {first.basis}, and --require-proof asks for more; nothing published",
            where=f"layer '{first.layer}'",
            hint="Prove it with answers of your own model (--samples) or its code (--custom-objects).",
        )
