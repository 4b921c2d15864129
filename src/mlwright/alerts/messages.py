"""What people read: one message an alert and channel, with cause, cost, evidence, advice and how to answer it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

from mlwright.alerts.alert import Alert, written
from mlwright.alerts.words import about_in_words, cost_in_words, evidence_in_words, moment_in_words, since_in_words
from mlwright.monitoring.findings import Level

Event: TypeAlias = Literal["opened", "worse", "escalated", "resolved", "digest"]
_HEADS: Final[Mapping[Event, str]] = {
    "opened": "",
    "worse": "worse: ",
    "escalated": "not acknowledged: ",
    "resolved": "over: ",
    "digest": "",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message to one channel.

    Attributes
    ----------
    id
        The same for each attempt to send it: who receives it twice can tell.
    event
        Why it is sent.
    details
        The alert as JSON, for machines at the other end.
    """

    id: str
    model: str
    channel: str
    event: Event
    level: Level
    key: str
    title: str
    text: str
    made: datetime
    details: Mapping[str, Any]

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {
            **{name: getattr(self, name) for name in _PLAIN},
            "made": written(self.made),
            "details": dict(self.details),
        }

    @classmethod
    def of_text(cls, text: str) -> Message:
        """The message that `json.dumps(state())` tells."""
        state = json.loads(text)
        return cls(**{**state, "made": datetime.fromisoformat(state["made"])})


_PLAIN = ("id", "model", "channel", "event", "level", "key", "title", "text")


def message_id(*parts: object) -> str:
    """A key that is the same for the same message, whoever makes it and however often."""
    return hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()[:32]


def message_about(alert: Alert, event: Event, channel: str, *, now: datetime) -> Message:
    """The message about an alert to a channel."""
    finding = alert.finding
    made = message_id(alert.model, alert.key, alert.episode, event, alert.times, channel)
    lines = [finding.what]
    if event == "resolved":
        lines += [
            "",
            f"It came up on {moment_in_words(alert.opened)} and is gone since {moment_in_words(alert.gone or now)}.",
        ]
    else:
        lines += ["", f"Since: {since_in_words(finding)}"]
        if finding.columns:
            lines.append(f"Columns: {', '.join(finding.columns)}")
        if about := about_in_words(finding):
            lines.append(f"Rows: {about}")
        lines.append(f"Cost: {cost_in_words(finding)}")
        if evidence := evidence_in_words(finding):
            lines.append(f"Evidence: {evidence}")
        if finding.advice:
            lines.append(f"What to do: {finding.advice}")
        lines += ["", f'To say that you look after it: mlwright monitor ack "{alert.key}"']
    lines += ["", f"message {made}"]
    return Message(
        id=made,
        model=alert.model,
        channel=channel,
        event=event,
        level=alert.level,
        key=alert.key,
        title=f"[{alert.level}] {alert.model}: {_HEADS[event]}{_short(finding.what)}",
        text="\n".join(lines),
        made=now,
        details=alert.as_json(),
    )


def _short(sentence: str, most: int = 110) -> str:
    plain = " ".join(sentence.split())
    return plain if len(plain) <= most else f"{plain[: most - 1].rstrip()}…"
