"""The entry point of the command ``convert``: signals, errors and exit codes.

Exit codes: 0 done; 1 unexpected; 2 usage; 3 not a Keras model, damaged or unsafe; 4 not supported;
5 parity missed; 6 the environment lacks something. With several models it is that of the first that failed. A signal
that ends the command gives 128 plus its number: 129 SIGHUP, 130 SIGINT, 143 SIGTERM.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Sequence

from converter.command.progress_line import ProgressLine
from converter.errors import ConversionError, EnvironmentLacksError
from converter.process.environment_errors import as_environment_error
from converter.process.supervisor import supervised_by
from converter.process.termination import SIGNALS, Terminated, terminated_by


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    line = ProgressLine()
    try:
        with terminated_by(*SIGNALS), supervised_by(line):
            _open_standard_streams()
            return _run(arguments, line)
    except BrokenPipeError:  # the reader of our output is gone, such as `head`
        return 141
    except (Terminated, KeyboardInterrupt) as error:
        ended = error if isinstance(error, Terminated) else Terminated(signal.SIGINT)
        line.printing()
        published = ", ".join(line.published) or "nothing"
        _say(f"ended by {ended.number.name}; published until then: {published}")
        return ended.exit_code
    except Exception as error:
        line.printing()
        known = as_environment_error(error) or error
        if isinstance(known, ConversionError):
            _say(str(known))
            return known.exit_code
        if os.environ.get("PLAINSERVE_TRACEBACK"):
            raise
        _say(
            f"unexpected {type(error).__name__}: {error}\n"
            "This is a defect in Plainserve; PLAINSERVE_TRACEBACK=1 shows where."
        )
        return 1
    finally:
        _discard_unwritten()


def _run(arguments: Sequence[str] | None, line: ProgressLine) -> int:
    words = sys.argv[1:] if arguments is None else list(arguments)
    from converter.command.arguments import parser  # noqa: PLC0415  only now, when signals are handled

    options = parser().parse_args(words)
    line.shown = not options.json
    line.phase(f"{options.models[0].name}: starting")
    from converter.command.run import run  # noqa: PLC0415  --help and --version must not wait for numpy

    return run(options, words)


def _open_standard_streams() -> None:
    """Open standard streams that are closed: else the next file that is opened would get their descriptor.

    Raises:
        EnvironmentLacksError: stdout is closed.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free descriptor, which is this one
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w")
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w")
        raise EnvironmentLacksError("is closed", where="stdout", hint="Send it to a file, or to /dev/null.")


def _discard_unwritten() -> None:
    """Discard what cannot be written to stdout, about which Python would complain at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # stderr is closed
        sys.stderr.write(f"convert: {text}\n")
        sys.stderr.flush()
