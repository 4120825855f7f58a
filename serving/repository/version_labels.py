"""Version labels, such as ``stable`` and ``canary``, which a request may use instead of a version number.

The ``config.pbtxt`` of a model sets them by parameters such as::

    parameters { key: "version_label.stable" value { string_value: "3" } }

Requests can replace them; such labels are lost when the process ends.
"""

from collections.abc import Mapping

from serving.errors import ModelNotFoundError
from serving.repository.model_lookup import ModelLookup

PARAMETER = "version_label."
"""The prefix of parameters that set labels."""


class VersionLabels:
    """The labels of all models.

    Args:
        models: The models.
    """

    def __init__(self, models: ModelLookup) -> None:
        self._models = models
        self._assigned: dict[str, dict[str, str]] = {}

    def assign(self, labels: Mapping[str, Mapping[str, str]]) -> None:
        """Replace the labels of some models, of all of them or of none.

        Args:
            labels: By model, the version for each label; each must be able to answer now.

        Raises:
            InvalidInputError: A version is not a number.
            ModelNotFoundError: There is no such model or version.
            ModelNotReadyError: A version cannot answer.
        """
        for model in labels:
            self._require(model)
        self._assigned |= {
            model: {label: self._models.get(model, version).version for label, version in chosen.items()}
            for model, chosen in labels.items()
        }

    def assigned(self) -> dict[str, dict[str, str]]:
        """The labels that requests have set, by model."""
        return self._assigned

    def restore(self, labels: Mapping[str, Mapping[str, str]]) -> None:
        """Set the labels that requests have set in another process, which has checked them."""
        self._assigned = {model: dict(chosen) for model, chosen in labels.items()}

    def version(self, model: str, label: str) -> str:
        """The version that a label stands for.

        Raises:
            ModelNotFoundError: There is no such model, or it has no such label.
            ModelNotReadyError: The model cannot answer.
        """
        self._require(model)
        found = self._assigned.get(model)
        if found is None:
            found = self._stated(model)
        if label not in found:
            known = ", ".join(f"'{each}'" for each in sorted(found)) or "none"
            raise ModelNotFoundError(
                f"model '{model}' has no version label '{label}'; it has {known}. Give it labels in its "
                "config.pbtxt or with HandleReloadConfigRequest, or name the version by its number"
            )
        return found[label]

    def _stated(self, model: str) -> dict[str, str]:
        """The labels in the config; their versions need not exist yet."""
        parameters = self._models.get(model).config.parameters
        return {
            key.removeprefix(PARAMETER): value
            for key, value in parameters.items()
            if key.startswith(PARAMETER)
        }

    def _require(self, model: str) -> None:
        if model not in self._models.names():
            self._models.get(model)
