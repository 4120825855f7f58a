"""Parses ``--activation``, and combines the stated formula with the numbers that the layer stores.

The option states a formula and any of its parameters. A parameter that is left out is taken from the layer: from its
stored weight if it was learned, else from its config, else it has the formula's default. A learned weight is never
dropped: a statement whose formula does not use a stored weight is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from converter.activations import ACTIVATIONS, Activation, Parameter, PolynomialSS, number, parameter
from converter.activations.activation import show
from converter.archive import Weight
from converter.basis import Basis
from converter.description.layer_keys import plain_array
from converter.description.option_hints import activation_option, custom_objects_hint
from converter.description.parameters import learned_names, learned_values
from converter.description.recognition import Recognition
from converter.description.storage_options import InputShape
from converter.description.stored_text import weights_text
from converter.errors import ConversionError, UnsafeFileError, UnsupportedError, UsageError

_STATED = "stated by --activation"


@dataclass(frozen=True)
class StatedActivation:
    """A formula, with those of its parameters that are stated."""

    kind: type[Activation]
    numbers: Mapping[str, float]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``pss:alpha=3``, ``pss``, ``rational_ss:a=1.5`` or ``polynomial_ss:limit=3,c0=0.5,c1=0.2``.

        Raises:
            UsageError: The text does not have this form.
        """
        key, _, listed = text.partition(":")
        kind = ACTIVATIONS.get(key)
        if kind is None:
            raise UsageError(f"--activation: '{key}' is none of {', '.join(ACTIVATIONS)}")
        values: dict[str, float] = {}
        for item in filter(None, listed.split(",")):
            name, _, value = item.partition("=")
            if name not in kind.parameters or name in values:
                raise UsageError(f"--activation: {key} takes {_listed(kind.parameters)}, not '{item}'")
            try:
                values[name] = number(float(value), name, "--activation")
            except (ValueError, UnsafeFileError):
                raise UsageError(f"--activation: '{name}' needs a finite number, not '{value}'") from None
        try:
            kind.from_numbers(values)
        except UnsupportedError as error:
            raise UsageError(f"--activation: {error.what}", hint=error.hint) from None
        return cls(kind, values)

    def recognise(
        self, config: Mapping[str, Any], weights: Mapping[str, Weight], shape: InputShape | None, where: str
    ) -> Recognition:
        """The stated activation, completed with the numbers of a layer.

        Args:
            config: The layer's options.
            weights: Its stored weights, by path.
            shape: The input shape that it was built for, if the file states it.
            where: The layer.

        Raises:
            UnsupportedError: The layer stores weights that the formula does not use, or numbers that do not fit it.
        """
        left = self._left()
        if not left and not weights:
            return Recognition(self.kind.from_numbers(self.numbers), _STATED, Basis.STATED)
        if weights:
            self._require_place(left, config, weights, shape, where)
        learned = learned_names(left, config, len(weights)) or []
        values: dict[str, Parameter] = {**self.numbers, **learned_values(learned, weights, shape, where)}
        why = [_STATED, *(f"{name} from its stored weight" for name in learned)]
        for name in left:
            if name not in values:
                values[name], source = self._unlearned(name, config, where)
                why.append(source)
        try:
            activation = self.kind(**values)
        except ConversionError as error:
            error.where = where
            raise
        return Recognition(activation, ", ".join(why), Basis.STATED, tuple(weights.values()))

    def _left(self) -> list[str]:
        """The parameters that are not stated; a polynomial must be stated completely."""
        names = () if self.kind is PolynomialSS else self.kind.parameters
        return [name for name in names if name not in self.numbers]

    def _require_place(
        self,
        left: list[str],
        config: Mapping[str, Any],
        weights: Mapping[str, Weight],
        shape: InputShape | None,
        where: str,
    ) -> None:
        """Check that the stored weights are exactly the parameters that are not stated."""
        plain = all(path.count("/") == 1 for path in weights)
        if plain and learned_names(left, config, len(weights)) is not None:
            return
        stored = f"stores {weights_text(list(weights.values()))}"
        if plain and len(left) > len(weights):
            example = activation_option(where, f"{self.kind.key}:{left[-1]}=1")
            raise UnsupportedError(
                f"{stored}, which may be any of {', '.join(left)}",
                where=where,
                hint=f"State those that are not learned, such as {example}.",
            )
        formula = self.kind.key if left else self.kind.from_numbers(self.numbers).formula
        raise UnsupportedError(
            f"{stored}, which the stated {formula} does not use",
            where=where,
            hint=self._leaving_more(config, weights, shape, where) or custom_objects_hint(),
        )

    def _leaving_more(
        self, config: Mapping[str, Any], weights: Mapping[str, Weight], shape: InputShape | None, where: str
    ) -> str:
        """A hint at the option with which the weights are used; empty if the formula has no parameters for them."""
        if not self.numbers or self.kind is PolynomialSS:
            return ""
        try:
            StatedActivation(self.kind, {}).recognise(config, weights, shape, where)
        except ConversionError:
            return ""
        return f"Leave the numbers to what is stored: {activation_option(where, self.kind.key)}."

    def _unlearned(self, name: str, config: Mapping[str, Any], where: str) -> tuple[Parameter, str]:
        """The value of a parameter that is not a weight, and where it is from."""
        written = plain_array(config.get(name))
        if written is None:
            value: Parameter = getattr(self.kind.from_numbers({}), name)
            return value, f"{name} {show(value)}, the default"
        try:
            value = parameter(written, name, where)
        except (UnsafeFileError, UnsupportedError) as error:
            raise UnsupportedError(
                f"its config has no number to take: {error.what}",
                where=where,
                hint=f"State it, such as {activation_option(where, f'{self.kind.key}:{name}=1')}.",
            ) from None
        return value, f"{name} {show(value)} from its config"


def _listed(names: tuple[str, ...]) -> str:
    """The parameters of an activation, shortened where there are many."""
    shown = [*names[:3], "..."] if len(names) > 4 else names
    return ", ".join(shown) or "no parameters"
