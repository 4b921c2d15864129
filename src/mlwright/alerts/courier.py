"""Sends what waits in the outbox, all channels at once and beside the loop: one that hangs holds neither it nor the others."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol, TypeVar

from sqlalchemy import Connection

from mlwright.alerts import outbox
from mlwright.alerts.channels import AlertChannel, ChannelFailed, channel_of
from mlwright.alerts.outbox import Outgoing
from mlwright.core import MlwrightError
from mlwright.spec.sections import Alerts

Result = TypeVar("Result")
log = logging.getLogger(__name__)
#: Of one channel in one round, so that a heap of old messages does not keep new ones from the others.
_MOST: Final = 50


class Transactions(Protocol):
    """The project's database."""

    def reading(self, work: Callable[[Connection], Result]) -> Result: ...

    def transaction(self, work: Callable[[Connection], Result]) -> Result: ...


@dataclass(slots=True, kw_only=True)
class Delivery:
    """How a round of sending went.

    Attributes
    ----------
    sent
        How many messages were taken.
    problems
        What is wrong with a channel, by its name; the messages wait for a later round.
    """

    sent: int = 0
    problems: dict[str, str] = field(default_factory=dict)


class Courier:
    """Sends the messages of one model.

    Parameters
    ----------
    clock
        Now, in UTC.
    """

    def __init__(
        self,
        database: Transactions,
        *,
        model: str,
        alerts: Alerts,
        clock: Callable[[], datetime],
        channels: Mapping[str, AlertChannel] | None = None,
    ) -> None:
        self._database, self._model, self._clock = database, model, clock
        made = {name: channel_of(name, said.url) for name, said in alerts.channels.items()}
        self._channels = dict(made if channels is None else channels)
        self._timeouts = {name: said.timeout.total_seconds() for name, said in alerts.channels.items()}
        self._running: threading.Thread | None = None
        self._alone = threading.Lock()
        self.last = Delivery()

    def start(self) -> bool:
        """Send what is due, beside the caller; false if the round before is not over."""
        if self._running is not None and self._running.is_alive():
            return False
        self._running = threading.Thread(target=self._quietly, name="alerts", daemon=True)
        self._running.start()
        return True

    def wait(self, seconds: float) -> bool:
        """Wait for the round to end; whether it has."""
        if self._running is not None:
            self._running.join(seconds)
        return self._running is None or not self._running.is_alive()

    def deliver(self) -> Delivery:
        """Send what is due, and return when every channel has taken it or failed."""
        due = self._database.reading(lambda connection: outbox.waiting(connection, self._model, due=self._clock()))
        by_channel: dict[str, list[Outgoing]] = {}
        for one in due:
            by_channel.setdefault(one.message.channel, []).append(one)
        delivery = Delivery()
        threads = [
            threading.Thread(
                target=self._carry, args=(name, messages[:_MOST], delivery), name=f"alerts {name}", daemon=True
            )
            for name, messages in by_channel.items()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.last = delivery
        return delivery

    def _quietly(self) -> None:
        try:
            self.deliver()
        except MlwrightError as error:
            log.warning("alerts wait in the outbox: %s", error.what)

    def _carry(self, name: str, messages: list[Outgoing], delivery: Delivery) -> None:
        """One channel's messages in order; after one that fails the others wait as well."""
        channel = self._channels.get(name)
        try:
            for one in messages:
                if channel is None:
                    self._note(outbox.give_up, one.message, "the spec has no such channel any more")
                    continue
                try:
                    channel.send(one.message, timeout_s=self._timeouts.get(name, 10.0))
                except ChannelFailed as error:
                    self._failed(name, one, error.what, delivery)
                    return
                self._note(outbox.took, one.message)
                with self._alone:
                    delivery.sent += 1
        except MlwrightError as error:  # the database: what was sent but not noted is sent again, with the same id
            with self._alone:
                delivery.problems[name] = error.what

    def _failed(self, name: str, one: Outgoing, why: str, delivery: Delivery) -> None:
        with self._alone:
            delivery.problems[name] = why
        again = self._note(outbox.failed, one, why)
        log.warning(
            "alert channel %s: %s; %s", name, why, "tried again later" if again else "given up after three days"
        )

    def _note(self, change: Callable[..., Result], *what: object) -> Result:
        return self._database.transaction(lambda connection: change(connection, *what, now=self._clock()))
