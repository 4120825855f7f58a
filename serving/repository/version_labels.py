"""Names for versions, such as ``stable`` and ``canary``, that a request may use in place of a number."""

from collections.abc import Mapping

from serving.errors import ModelNotFoundError
from serving.repository.repository import Repository


class VersionLabels:
    """The labels of all models. They are kept in memory and end with the process.

    Args:
        repository: The models.
    """

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._labels: dict[str, dict[str, str]] = {}

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
        self._labels |= {
            model: {label: self._repository.get(model, version).version for label, version in chosen.items()}
            for model, chosen in labels.items()
        }

    def version(self, model: str, label: str) -> str:
        """The version that a label stands for.

        Raises:
            ModelNotFoundError: There is no such model, or it has no such label.
        """
        self._require(model)
        found = self._labels.get(model, {})
        if label not in found:
            known = ", ".join(f"'{each}'" for each in sorted(found)) or "none"
            raise ModelNotFoundError(
                f"model '{model}' has no version label '{label}'; it has {known}. Give it labels with "
                "HandleReloadConfigRequest, or name the version by its number"
            )
        return found[label]

    def _require(self, model: str) -> None:
        if model not in self._repository.names():
            self._repository.get(model)
