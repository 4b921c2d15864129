"""What keeps a process that answers small: libraries that only training needs stay out, and memory goes back."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.abc import MetaPathFinder
from types import ModuleType

#: LightGBM, Arrow and numpy load these where they are installed, 70 MB together, and go on without them where they are not.
_NOT_NEEDED = frozenset({"charset_normalizer", "pandas", "sklearn"})


class _NotHere(MetaPathFinder):
    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> None:  # noqa: ARG002
        # CatBoost cannot do without pandas; what it loads is loaded.
        if name in _NOT_NEEDED and "catboost" not in sys.modules:
            raise ModuleNotFoundError(f"No module named {name!r}: a process that answers does without it", name=name)


def keep_out_what_only_training_needs() -> None:
    """From now on they are as if they were not installed; for the whole process."""
    sys.meta_path.insert(0, _NotHere())


def give_memory_back() -> None:
    """After a model was loaded: what its proofs needed goes back, and what stays is not looked through by the collector."""
    gc.collect()
    gc.freeze()
    with suppress(OSError, AttributeError):  # glibc has it
        ctypes.CDLL(None).malloc_trim(0)
