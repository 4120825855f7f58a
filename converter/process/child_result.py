"""What the end of a child process means: the result of its work, an error, or a crash of a native library."""

import json
import os
import resource
import signal
from pathlib import Path
from typing import Any, NoReturn

from converter import errors
from converter.errors import ConversionError, EnvironmentLacksError, UnsafeFileError
from converter.process.parent_channel import TERMINATED
from converter.process.termination import SIGNALS

_FROM_OUTSIDE = {*SIGNALS, signal.SIGQUIT, signal.SIGXCPU}


def child_result(answer: bytes, status: int, source: Path) -> Any:  # noqa: ANN401  what the work returned
    """Return what the work of a child returned, or raise what it raised.

    Args:
        answer: The last message of the child.
        status: How it ended, as ``os.waitpid`` has it.
        source: The file at work, for messages.

    Raises:
        ConversionError: The one that the work raised.
        EnvironmentLacksError: The system or the user ended the child.
        UnsafeFileError: A native library crashed, or the answer makes no sense.
        BrokenPipeError: The reader of the command's output is gone.
        RuntimeError: The work raised something unexpected.
    """
    if os.WIFSIGNALED(status):
        _raise_signal(os.WTERMSIG(status), source)
    if os.waitstatus_to_exitcode(status) == TERMINATED:
        _raise_signal(signal.SIGTERM, source)
    try:
        found = json.loads(answer)
    except ValueError:
        raise UnsafeFileError("ended its process without an answer", where=source.name) from None
    if "done" in found:
        return found["done"]
    if "error" in found:
        kind = getattr(errors, str(found["error"]), None)
        kind = kind if isinstance(kind, type) and issubclass(kind, ConversionError) else UnsafeFileError
        raise kind(found["what"], where=found["where"], hint=found["hint"])
    if "left" in found:
        raise BrokenPipeError
    raise RuntimeError(found["unexpected"])


def _raise_signal(number: int, source: Path) -> NoReturn:
    name = signal.Signals(number).name
    if number == signal.SIGKILL:
        raise EnvironmentLacksError(
            "was ended by the system (SIGKILL), most often because memory ran out", where=source.name
        )
    if number in _FROM_OUTSIDE:
        raise EnvironmentLacksError(f"was terminated by a signal ({name})", where=source.name)
    if _memory_is_limited() and number in {signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGTRAP}:
        raise EnvironmentLacksError(
            f"ended with {name}; the memory that a process may have is limited here (ulimit -v), and libraries end "
            "so when they get no more",
            where=source.name,
            hint="Raise the limit; if it ends so without one, the file is damaged or hostile.",
        )
    raise UnsafeFileError(
        f"crashed a native library ({name})",
        where=source.name,
        hint="The file is damaged or hostile; if it loads in Keras, this is a defect to report.",
    )


def _memory_is_limited() -> bool:
    limits = (resource.RLIMIT_AS, resource.RLIMIT_DATA)
    return any(resource.getrlimit(limit)[0] != resource.RLIM_INFINITY for limit in limits)
