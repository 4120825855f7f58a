"""Loads the stored weights into a Keras layer; each must belong to a variable of it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import keras

from converter.archive import Weight
from converter.archive.weight_scope import snake_case
from converter.description.layer_context import is_random_state
from converter.errors import UnsafeFileError
from converter.graph import Layer
from converter.user_code import USER_CODE


def load_weights(instance: keras.layers.Layer, layer: Layer) -> None:
    """Load every stored weight of a layer and of the parts inside it.

    Args:
        instance: The Keras layer, built.
        layer: Its description in the file.

    Raises:
        UnsafeFileError: The stored weights are not those that its options call for, one for one.
    """
    where = f"layer '{layer.name}'"
    weights = {path: weight for path, weight in layer.weights.items() if not is_random_state(path)}
    if len(weights) != len(instance.weights):
        raise UnsafeFileError(
            f"stores {len(weights)} weights where its options call for {len(instance.weights)}", where=where
        )
    try:
        if layer.kind == USER_CODE and _is_listed(weights, instance):
            _load_list(instance, weights)
            return
        filled: list[keras.layers.Layer] = []
        for holder, several in _by_holder(weights).items():
            part = _part(instance, holder)
            if part is None or any(part is each for each in filled):  # two names can lead to one part
                raise UnsafeFileError(
                    f"stores weights of a part '{holder}' that it does not have", where=where
                )
            filled.append(part)
            part.load_own_variables({number: weight.read() for number, weight in several.items()})
    except (ValueError, KeyError, TypeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise UnsafeFileError(f"its stored weights do not fit its options: {reason}", where=where) from error


def _by_holder(weights: Mapping[str, Weight]) -> dict[str, dict[str, Weight]]:
    """Weights by the part that they belong to, then by their number or name there."""
    stored: dict[str, dict[str, Weight]] = defaultdict(dict)
    for path, weight in weights.items():
        holder, _, number = path.rpartition("vars/")
        stored[holder.rstrip("/")][number] = weight
    return stored


def _is_listed(weights: Mapping[str, Weight], instance: keras.layers.Layer) -> bool:
    """Whether a user's layer with parts is from the legacy format, which stores one list of all its weights."""
    own: dict[str, Any] = {}
    instance.save_own_variables(own)
    return len(own) < len(weights) and weights.keys() == {f"vars/{i}" for i in range(len(weights))}


def _load_list(instance: keras.layers.Layer, weights: Mapping[str, Weight]) -> None:
    """Load by position, in the order of the legacy format: trainable weights first."""
    variables = [*instance.trainable_weights, *instance.non_trainable_weights]
    for number, variable in enumerate(variables):
        variable.assign(weights[f"vars/{number}"].read())


def _part(instance: keras.layers.Layer, path: str) -> keras.layers.Layer | None:
    """The layer at a path such as ``forward_layer/cell`` or ``cell/cells/lstm_cell_1``."""
    here: Any = instance
    for name in filter(None, path.split("/")):
        if isinstance(here, dict):
            here = list(here.values())
        if isinstance(here, list | tuple):
            here = _numbered(here).get(name)
        else:
            here = getattr(here, name, None) or getattr(here, f"_{name}", None)
    return here if isinstance(here, keras.layers.Layer) else None


def _numbered(members: Iterable[Any]) -> dict[str, Any]:
    """The members of a list under the names that Keras stores: the class, with a number from the second on."""
    seen: Counter[str] = Counter()
    named: dict[str, Any] = {}
    for each in members:
        if not isinstance(each, keras.layers.Layer | list | tuple | dict):
            continue
        name = snake_case(type(each).__name__) if isinstance(each, keras.layers.Layer) else "container"
        named[f"{name}_{seen[name]}" if seen[name] else name] = each
        seen[name] += 1
    return named
