"""The ``plainserve`` command.

Exit codes: 0 done; 1 failed; 2 usage, or a repository that is missing or empty; 6 the environment lacks
something; 130 interrupted; 141 the reader of a pipe has exited.
"""

import os
import sys
from collections.abc import Sequence

from serving.commands.command_line import parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: What follows the program's name; the process's own if None.

    Returns:
        The exit code.
    """
    typed = [*(sys.argv[1:] if arguments is None else arguments)]
    options = parser().parse_args(typed)
    options.arguments = typed
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of the output has exited, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:  # a server that is running handles SIGINT itself
        sys.stderr.write("plainserve: interrupted\n")
        return 130
    return code
