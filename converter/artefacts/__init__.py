"""Opens, checks and runs exported artefacts, each with the runtime of its format; ``runtimes`` lists them."""

import os

# onnxruntime reads this when it is imported; its Python function for it comes too late.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
