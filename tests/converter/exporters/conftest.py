"""A way to export a model in one line."""

import keras
import pytest

from converter.exporters.contract import ExportOptions
from converter.exporters.target_formats import get_target
from converter.signature import Signature, TensorSpec


def signature_of(model: keras.Model) -> Signature:
    return Signature(
        tuple(TensorSpec(t.name, tuple(t.shape), str(t.dtype)) for t in model.inputs),
        tuple(
            TensorSpec(name, tuple(t.shape), str(t.dtype))
            for name, t in zip(model.output_names, model.outputs, strict=True)
        ),
    )


@pytest.fixture
def export(tmp_path):
    """Export a model under its own or the given names; return the path."""

    def run(model, target, signature=None, provenance=None, stem="model", **options):
        path = tmp_path / get_target(target).artefact_name(stem)
        path.parent.mkdir(parents=True, exist_ok=True)
        signature = signature or signature_of(model)
        get_target(target).export(model, signature, path, provenance or {}, ExportOptions(**options))
        return path

    return run
