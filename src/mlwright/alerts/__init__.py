"""Who is told what the monitor found: once, in plain words, by the channels of the spec, and never by way of the loop's time.

In come findings (`monitoring.Finding`), out come alerts: start at `raise_alerts`, which keeps them and the messages about
them in the transaction that it is given; `Courier` sends the messages afterwards, at least once, each with a key of its own.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlwright.alerts.alert import Alert, AlertState
    from mlwright.alerts.channels import CHANNELS, AlertChannel, ChannelFailed, channel_of
    from mlwright.alerts.courier import Courier, Delivery
    from mlwright.alerts.digest import post_digests
    from mlwright.alerts.messages import Message
    from mlwright.alerts.outbox import Outgoing, waiting
    from mlwright.alerts.people import AlertUnknown, acknowledge, silence, silences, unsilence
    from mlwright.alerts.raising import AlertChange, raise_alerts
    from mlwright.alerts.tables import alerts_of, make_tables
    from mlwright.alerts.words import cost_in_words, evidence_in_words, plain_number, since_in_words

_HOMES = {
    "Alert": "alert",
    "AlertChange": "raising",
    "AlertChannel": "channels",
    "AlertState": "alert",
    "AlertUnknown": "people",
    "CHANNELS": "channels",
    "ChannelFailed": "channels",
    "Courier": "courier",
    "Delivery": "courier",
    "Message": "messages",
    "Outgoing": "outbox",
    "acknowledge": "people",
    "alerts_of": "tables",
    "channel_of": "channels",
    "cost_in_words": "words",
    "evidence_in_words": "words",
    "make_tables": "tables",
    "plain_number": "words",
    "post_digests": "digest",
    "raise_alerts": "raising",
    "silence": "people",
    "silences": "people",
    "since_in_words": "words",
    "unsilence": "people",
    "waiting": "outbox",
}

__all__ = [
    "CHANNELS",
    "Alert",
    "AlertChange",
    "AlertChannel",
    "AlertState",
    "AlertUnknown",
    "ChannelFailed",
    "Courier",
    "Delivery",
    "Message",
    "Outgoing",
    "acknowledge",
    "alerts_of",
    "channel_of",
    "cost_in_words",
    "evidence_in_words",
    "make_tables",
    "plain_number",
    "post_digests",
    "raise_alerts",
    "silence",
    "silences",
    "since_in_words",
    "unsilence",
    "waiting",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
