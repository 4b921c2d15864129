"""Look after a model that answers: `operate` runs the loop, `look` says how things are, `page` shows what happened.

In comes a spec whose project has a champion and a prediction log; the project's database keeps everything that is known.
Start at `operating.py` (the steps of a round), `loop.py` (what keeps it going) and `looking.py` (what people see).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlwright.operate.clock import SteadyClock
    from mlwright.operate.heartbeat import OperatorStatus, operator_status
    from mlwright.operate.lock import LockLost, OperatedAlready, OperatorLock
    from mlwright.operate.looking import Look, Period, look
    from mlwright.operate.loop import Round, StepsFailed, Stop
    from mlwright.operate.operating import operate
    from mlwright.operate.page import monitoring_page
    from mlwright.operate.project import NobodyAnswers, Project

_HOMES = {
    "LockLost": "lock",
    "Look": "looking",
    "NobodyAnswers": "project",
    "OperatedAlready": "lock",
    "OperatorLock": "lock",
    "OperatorStatus": "heartbeat",
    "Period": "looking",
    "Project": "project",
    "Round": "loop",
    "SteadyClock": "clock",
    "StepsFailed": "loop",
    "Stop": "loop",
    "look": "looking",
    "monitoring_page": "page",
    "operate": "operating",
    "operator_status": "heartbeat",
}

__all__ = [
    "LockLost",
    "Look",
    "NobodyAnswers",
    "OperatedAlready",
    "OperatorLock",
    "OperatorStatus",
    "Period",
    "Project",
    "Round",
    "SteadyClock",
    "StepsFailed",
    "Stop",
    "look",
    "monitoring_page",
    "operate",
    "operator_status",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
