"""How onnxruntime runs a model: our defaults, and what the model's owner decides instead.

The names and numbers are those of Triton's backend for onnxruntime.
"""

from pathlib import Path

import onnxruntime

from serving.errors import ModelLoadError
from serving.runtimes import cpus
from serving.runtimes.settings import MOST_THREADS, Settings

TINY = 1 << 20
"""Bytes of a model below which a second thread costs more than it brings."""

LEVELS = {
    0: onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
    1: onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    -1: onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    2: onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
}

MODES = (onnxruntime.ExecutionMode.ORT_SEQUENTIAL, onnxruntime.ExecutionMode.ORT_PARALLEL)

THREADS, THREADS_BETWEEN, MODE = "intra_op_thread_count", "inter_op_thread_count", "execution_mode"

ARENA, PATTERN = "enable_mem_arena", "enable_mem_pattern"


def session_options(path: Path, settings: Settings) -> onnxruntime.SessionOptions:
    """The options for a model.

    Args:
        path: Its file.
        settings: What its owner decides.

    Raises:
        ModelLoadError: The owner decides on something that there is not.
    """
    settings.allow(THREADS, THREADS_BETWEEN, MODE, ARENA, PATTERN)
    if settings.graph_level not in LEVELS:
        raise ModelLoadError(
            f"its config has optimization.graph.level {settings.graph_level}; say -1, 0, 1 or 2"
        )
    default = 1 if path.stat().st_size < TINY else cpus.available()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.number(THREADS, MOST_THREADS) or default
    options.inter_op_num_threads = settings.number(THREADS_BETWEEN, MOST_THREADS) or 1
    options.execution_mode = MODES[settings.number(MODE, len(MODES) - 1)]
    options.graph_optimization_level = LEVELS[settings.graph_level]
    options.enable_cpu_mem_arena = settings.flag(ARENA, default=True)
    options.enable_mem_pattern = settings.flag(PATTERN, default=True)
    # An idle thread that spins takes the processor from the threads that read requests.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = 3
    return options
