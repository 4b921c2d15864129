"""Messages on their way: written in the transaction of what they tell, sent afterwards, repeated until somebody took them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, insert, select, update

from mlwright.alerts.alert import written
from mlwright.alerts.messages import Message
from mlwright.alerts.tables import OUTBOX

#: Between attempts: this, then twice as long each time, but no longer than an hour.
FIRST_PAUSE: Final = timedelta(seconds=30)
LONGEST_PAUSE: Final = timedelta(hours=1)
#: After so long a message is old news; the alert itself stays.
GIVE_UP_AFTER: Final = timedelta(days=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message with how often it was tried, and what was wrong the last time."""

    message: Message
    attempts: int
    due: datetime
    problem: str | None


def post(connection: Connection, messages: Iterable[Message]) -> None:
    """Put messages into the outbox; one that is there already stays as it is."""
    for message in messages:
        if connection.execute(select(OUTBOX.c.id).where(OUTBOX.c.id == message.id)).first() is not None:
            continue
        connection.execute(
            insert(OUTBOX).values(
                id=message.id,
                model=message.model,
                channel=message.channel,
                message=json.dumps(message.state(), ensure_ascii=False),
                made=written(message.made),
                due=written(message.made),
                attempts=0,
                state="waiting",
            )
        )


def waiting(connection: Connection, model: str, *, due: datetime | None = None) -> list[Outgoing]:
    """Messages that nobody took yet, the oldest first; those only whose time has come, where one is given."""
    wanted = select(OUTBOX).where(OUTBOX.c.model == model, OUTBOX.c.state == "waiting")
    if due is not None:
        wanted = wanted.where(OUTBOX.c.due <= written(due))
    rows = connection.execute(wanted.order_by(OUTBOX.c.made, OUTBOX.c.id)).mappings()
    return [
        Outgoing(
            message=Message.of_text(row["message"]),
            attempts=row["attempts"],
            due=datetime.fromisoformat(row["due"]),
            problem=row["problem"],
        )
        for row in rows
    ]


def took(connection: Connection, message: Message, *, now: datetime) -> None:
    """Note that a channel took a message."""
    _change(connection, message, state="sent", ended=written(now), problem=None, attempts=OUTBOX.c.attempts + 1)


def failed(connection: Connection, outgoing: Outgoing, problem: str, *, now: datetime) -> bool:
    """Note that an attempt failed, and when the next one is; false if there is none any more."""
    message = outgoing.message
    if now - message.made >= GIVE_UP_AFTER:
        give_up(connection, message, problem, now=now)
        return False
    pause = min(FIRST_PAUSE * 2 ** min(outgoing.attempts, 20), LONGEST_PAUSE)
    # Messages that failed together are not tried again at the same moment.
    spread = 1 + int(message.id[:4], 16) / 0xFFFF / 4
    due = written(now + pause * spread)
    _change(connection, message, attempts=outgoing.attempts + 1, due=due, problem=problem)
    return True


def give_up(connection: Connection, message: Message, problem: str, *, now: datetime) -> None:
    """Note that a message will not be sent any more."""
    _change(connection, message, state="given up", ended=written(now), problem=problem)


def _change(connection: Connection, message: Message, **values: object) -> None:
    still = (OUTBOX.c.id == message.id, OUTBOX.c.state == "waiting")
    connection.execute(update(OUTBOX).where(*still).values(**values))
