"""Runs the command as ``python -m converter``."""

import sys

from converter.command.cli import main

sys.exit(main())
