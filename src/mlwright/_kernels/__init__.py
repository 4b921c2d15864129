"""Compiled code for what runs row by row. Optional: where it was not built, the libraries answer, only slower.

Each function gives the class or module of one kernel, or None. `trees.py` makes the table of a forest.
"""

from __future__ import annotations

import logging
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlwright._kernels import _forest

_log = logging.getLogger(__name__)


def forest() -> type[_forest.Forest] | None:
    """What walks through trees (`forest.c`)."""
    module = kernel("_forest")
    return None if module is None else module.Forest


@cache
def kernel(name: str) -> Any | None:
    """One of the compiled modules; None, said once in a process, where it was not built."""
    try:
        return import_module(f"mlwright._kernels.{name}")
    except ImportError:
        _say_missing()
        return None


@cache
def _say_missing() -> None:
    _log.warning(
        "the compiled kernels are not built here: answers are the same, only slower; reinstall with a C compiler"
    )
