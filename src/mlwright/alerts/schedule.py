"""Whether an alert is kept back now: by the schedule in the spec, or because somebody said so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo

from mlwright.alerts.alert import RANK, Alert
from mlwright.spec.sections import Alerts, Silence

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def is_silenced(alert: Alert, alerts: Alerts, by_people: Mapping[str, datetime], *, now: datetime) -> bool:
    """Whether nothing is sent about an alert now.

    Parameters
    ----------
    by_people
        Keys and patterns that somebody silenced, each with its end; they keep back every level.
    """
    if any(fnmatchcase(alert.key, pattern) and now < until for pattern, until in by_people.items()):
        return True
    local = now.astimezone(ZoneInfo(alerts.timezone))
    return any(_applies(one, alert, local) for one in _of_level(alerts.silence, alert))


def _of_level(silences: Sequence[Silence], alert: Alert) -> list[Silence]:
    return [one for one in silences if RANK[alert.level] <= RANK[one.up_to]]


def _applies(silence: Silence, alert: Alert, local: datetime) -> bool:
    if not fnmatchcase(alert.key, silence.key):
        return False
    day = local.date()
    times = silence.times
    if times is not None:
        begin, end = times
        minute = local.hour * 60 + local.minute
        if begin < end:
            if not begin <= minute < end:
                return False
        elif minute < end:
            day -= timedelta(days=1)  # a night belongs to the day on which it begins
        elif minute < begin:
            return False
    if silence.days and _DAYS[day.weekday()] not in silence.days:
        return False
    return (silence.start is None or silence.start <= day) and (silence.end is None or day <= silence.end)
