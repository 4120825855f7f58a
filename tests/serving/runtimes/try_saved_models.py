"""Opens every SavedModel in a folder and writes, as JSON, why each is refused; null for those that are not."""

import json
import sys
from pathlib import Path

import numpy as np

from serving.errors import ModelLoadError
from serving.runtimes.saved_model import SavedModelRuntime

reasons = {}
for path in sorted(each for each in Path(sys.argv[1]).iterdir() if each.is_dir()):
    try:
        runtime = SavedModelRuntime(path)
        runtime.infer({runtime.inputs[0].name: np.zeros(2, np.float32)}, [runtime.outputs[0].name])
        reasons[path.name] = None
    except ModelLoadError as error:
        reasons[path.name] = str(error)
json.dump(reasons, sys.stdout)
