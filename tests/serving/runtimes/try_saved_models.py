"""Opens every SavedModel in a folder and writes, as JSON, why each is refused; null for those that are not."""

import json
import sys
from pathlib import Path

import numpy as np

from serving.datatypes import BYTES, NUMPY
from serving.errors import ModelLoadError
from serving.runtimes.saved_model import SavedModelRuntime


def nothing(spec):
    """Two rows of zeros, or of empty texts, which are examples too."""
    shape = [2 if size < 0 else size for size in spec.shape]
    return np.full(shape, b"" if spec.datatype == BYTES else 0, NUMPY[spec.datatype])


reasons = {}
for path in sorted(each for each in Path(sys.argv[1]).iterdir() if each.is_dir()):
    try:
        runtime = SavedModelRuntime(path)
        runtime.infer({each.name: nothing(each) for each in runtime.inputs}, [runtime.outputs[0].name])
        reasons[path.name] = None
    except ModelLoadError as error:
        reasons[path.name] = str(error)
json.dump(reasons, sys.stdout)
