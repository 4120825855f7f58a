"""What a trained model answered on held-out digits, kept beside it so that others can be held to it."""

import json
from pathlib import Path

import numpy as np

ACCURACY = Path("accuracy.json")


def record(model_file, *, inputs, outputs, labels):
    """Writes `<stem>.npz` and the model's entry in `accuracy.json`, both in the current folder.

    Args:
        model_file: name of the saved model, for example `mnist_pss.keras`.
        inputs: arrays by input name, as the model takes them.
        outputs: arrays by output name, as the model answered. A single column is the probability of
            label 1, several are the probabilities of labels 0, 1, ...
        labels: the true labels by output name.
    """
    answers = {name: np.asarray(values, np.float32) for name, values in outputs.items()}
    truths = {f"{name}_label": values for name, values in labels.items()}
    np.savez_compressed(Path(model_file).stem, **inputs, **answers, **truths)

    entries = json.loads(ACCURACY.read_text()) if ACCURACY.exists() else {}
    entries[model_file] = {
        "held_out": len(next(iter(inputs.values()))),
        "accuracy": {name: accuracy(answers[name], labels[name]) for name in answers},
    }
    ACCURACY.write_text(json.dumps(entries, indent=2, sort_keys=True) + "\n")


def accuracy(probabilities, labels):
    """The share of rows whose most probable label is the true one, to four places."""
    single = probabilities.shape[-1] == 1
    chosen = probabilities[:, 0] > 0.5 if single else probabilities.argmax(axis=-1)
    return round(float(np.mean(chosen == labels)), 4)
