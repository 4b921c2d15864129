"""The command line: each command parses, calls one function of the Python API, and shows what it returned.

Results go to stdout, progress and errors to stderr. Start at `app.py` for the commands, `main.py` for the exit codes.
"""

from mlwright.cli.main import main

__all__ = ["main"]
