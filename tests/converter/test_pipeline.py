"""What the pipeline holds on to, and for how long."""

import weakref

from converter import exportable_model, pipeline
from converter.options import Options


def test_the_model_is_let_go_as_soon_as_the_last_target_is_exported(models, tmp_path, monkeypatch):
    built, alive = [], []

    def building(graph):
        model, shapes = build(graph)
        built.append(weakref.ref(model))
        return model, shapes

    def opening(target, path):
        alive.append((target, built[0]() is not None))
        return open_artefact(target, path)

    build, open_artefact = exportable_model.build_with_shapes, pipeline.open_artefact
    monkeypatch.setattr(exportable_model, "build_with_shapes", building)
    monkeypatch.setattr(pipeline, "open_artefact", opening)
    options = Options(("onnx", "saved_model"), output=tmp_path, parity=False)
    conversion = pipeline.convert(models / "mnist_pss.keras", options, str.lower)
    assert [outcome.error for outcome in conversion.outcomes] == [None, None]
    assert alive == [("onnx", True), ("saved_model", False)]
