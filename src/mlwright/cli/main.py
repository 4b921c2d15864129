"""Run a command and turn what went wrong into three lines and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

from mlwright.core.errors import DiskFull, MlwrightError

#: 0 done; 1 a check or a requirement failed; 2 the call or its input is wrong; 70 a bug of ours; 130 stopped by Ctrl-C.
_BUG, _STOPPED = 70, 130


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `mlwright`."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments or os.environ.get("MLWRIGHT_DEBUG") == "1"
    sys.exit(_code([a for a in arguments if a != "--debug"], debug=debug))


def _code(arguments: list[str], *, debug: bool) -> int:
    import typer

    from mlwright.cli.app import app

    try:
        # Ctrl-C comes back as a returned exit code.
        result = app(arguments, standalone_mode=False)
        return _stopped() if result == _STOPPED else result if isinstance(result, int) else 0
    except MlwrightError as error:
        if debug:
            raise
        _say(f"{type(error).__name__}: {error}")
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        return _stopped()
    except BrokenPipeError:
        # Whoever read our output has seen enough; keep the interpreter from complaining about it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        return _unexpected(error, debug=debug)


def _stopped() -> int:
    _say("stopped; what was finished is kept: go on with `mlwright run --resume latest`")
    return _STOPPED


def _unexpected(error: Exception, *, debug: bool) -> int:
    show = getattr(error, "show", None)
    if show is not None:  # a wrong call, told by the parser of the command line
        show()
        return 2
    if debug:
        raise error
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        _say(f"DiskFull: {DiskFull(str(error.filename or 'a temporary file'))}")
        return 2
    what = "there was not enough memory" if isinstance(error, MemoryError) else f"{type(error).__name__}: {error}"
    _say(
        f"an error that mlwright did not expect: {what}\n"
        "  where  inside mlwright\n"
        "  fix    run the same command with --debug and report what it prints"
    )
    return 2 if isinstance(error, MemoryError) else _BUG


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
