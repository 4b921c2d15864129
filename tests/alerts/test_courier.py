from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event
from tests.alerts.webhook import Webhook
from tests.support import spec_of_alerts

from mlwright.alerts import Courier, Message, make_tables, raise_alerts, waiting
from mlwright.alerts.channels import ChannelFailed, SenderProcess
from mlwright.monitoring import Finding
from mlwright.monitoring.store import MonitorStore
from mlwright.spec import Alerts

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MonitorStore]:
    opened = MonitorStore.open("sqlite:///mlwright.db", folder=tmp_path)
    opened.transaction(make_tables)
    yield opened
    opened.close()


class Hands:
    """A clock that one sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def told(store: MonitorStore, said: Alerts, *columns: str) -> None:
    found = [
        Finding(kind="drift", level="warn", what=f"`{name}` moved.", columns=(name,), advice="Look at it.")
        for name in columns
    ]
    store.transaction(lambda c: raise_alerts(c, found, model="churn", alerts=said, now=NOW))


def courier(store: MonitorStore, said: Alerts, hands: Hands | None = None) -> Courier:
    return Courier(store, model="churn", alerts=said, clock=hands or Hands())


def left(store: MonitorStore) -> int:
    return len(store.reading(lambda c: waiting(c, "churn")))


def test_a_webhook_gets_each_alert_once_as_json_with_its_own_key(store: MonitorStore) -> None:
    with Webhook() as webhook:
        said = spec_of_alerts(channels={"team": {"url": webhook.url}})
        told(store, said, "age", "fee")
        assert courier(store, said).deliver().sent == 2
        assert courier(store, said).deliver().sent == 0
    assert [one["key"] for one in webhook.got] == ["drift/overall/age", "drift/overall/fee"]
    assert webhook.got[0]["details"]["finding"]["advice"] == "Look at it."
    assert webhook.keys == [one["id"] for one in webhook.got]
    assert len(set(webhook.keys)) == 2


def test_one_that_fails_first_is_tried_again_later_with_longer_pauses_and_in_order(store: MonitorStore) -> None:
    hands = Hands()
    with Webhook(refuses=2) as webhook:
        said = spec_of_alerts(channels={"team": {"url": webhook.url}})
        told(store, said, "age", "fee")
        post = courier(store, said, hands)
        assert post.deliver().problems == {"team": "the webhook answered with HTTP 503"}
        first = next(one for one in store.reading(lambda c: waiting(c, "churn")) if one.attempts == 1)
        assert timedelta(seconds=30) <= first.due - NOW <= timedelta(seconds=38)
        hands.now = first.due
        assert post.deliver().sent == 0
        again = next(one for one in store.reading(lambda c: waiting(c, "churn")) if one.attempts == 2)
        assert again.message == first.message
        assert timedelta(seconds=60) <= again.due - hands.now <= timedelta(seconds=75)
        hands.now += timedelta(hours=2)
        post.deliver()
    assert left(store) == 0
    assert sorted(one["key"] for one in webhook.got) == ["drift/overall/age", "drift/overall/fee"]


def test_one_that_hangs_holds_neither_the_loop_nor_another_channel(store: MonitorStore) -> None:
    with Webhook(hangs=True) as stuck, Webhook() as webhook:
        said = spec_of_alerts(channels={"stuck": {"url": stuck.url, "timeout": "1.5s"}, "team": {"url": webhook.url}})
        told(store, said, "age")
        post = courier(store, said)
        begun = time.monotonic()
        assert post.start()
        assert time.monotonic() - begun < 0.5
        assert not post.start(), "one round at a time"
        assert post.wait(8)
        assert time.monotonic() - begun < 6
        assert post.last.problems == {"stuck": "no answer within 1.5 s"}
        assert len(webhook.got) == 1
    assert left(store) == 1


def test_after_three_days_a_message_is_given_up_and_so_is_one_to_a_channel_that_is_gone(store: MonitorStore) -> None:
    hands = Hands()
    said = spec_of_alerts(channels={"team": {"url": "http://127.0.0.1:9/"}, "old": {"url": "http://127.0.0.1:9/"}})
    told(store, said, "age")
    hands.now += timedelta(days=3)
    courier(store, spec_of_alerts(channels={"team": {"url": "http://127.0.0.1:9/"}}), hands).deliver()
    assert left(store) == 0


def test_apprise_sends_to_its_services_and_its_failures_are_told_without_the_address(
    store: MonitorStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("apprise", reason="Apprise is not installed (the extra `alerts`)")
    caplog.set_level(logging.DEBUG)
    with Webhook(refuses=1) as webhook:
        monkeypatch.setenv("TEAM_TOKEN", "s3cret-token")
        said = spec_of_alerts(channels={"team": {"url": f"json://{webhook.place}/${{TEAM_TOKEN}}"}})
        told(store, said, "age")
        hands = Hands()
        post = courier(store, said, hands)
        assert post.deliver().problems == {"team": "the service did not take the message (HTTP 503)"}
        hands.now += timedelta(minutes=1)
        assert post.deliver().sent == 1
    assert webhook.got[0]["title"] == "[warn] churn: `age` moved."
    assert "Look at it." in webhook.got[0]["message"]
    assert "s3cret-token" not in caplog.text
    assert b"s3cret-token" not in b"".join(path.read_bytes() for path in store_files(store))


def store_files(store: MonitorStore) -> list[Path]:
    return list(Path(str(store.engine.url.database)).parent.iterdir())


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("${NOT_SET_ANYWHERE}", "the environment variable NOT_SET_ANYWHERE is not set"),
        ("http://127.0.0.1:9/hook", "the webhook cannot be reached: Connection refused"),
        ("nothing://x", "Apprise does not know this kind of URL, or it is not complete"),
    ],
)
def test_what_is_wrong_with_a_channel_is_told(url: str, problem: str) -> None:
    if url.startswith("nothing"):
        pytest.importorskip("apprise", reason="Apprise is not installed (the extra `alerts`)")
    message = Message(
        id="1",
        model="churn",
        channel="team",
        event="opened",
        level="warn",
        key="k",
        title="t",
        text="x",
        made=NOW,
        details={},
    )
    with pytest.raises(ChannelFailed) as error:
        SenderProcess("team", url).send(message, timeout_s=20)
    assert error.value.what == problem
    assert error.value.where == "alerts.channels.team"


def test_who_is_killed_between_sending_and_noting_it_sends_it_again_with_the_same_key(store: MonitorStore) -> None:
    with Webhook() as webhook:
        said = spec_of_alerts(channels={"team": {"url": webhook.url}})
        told(store, said, "age")
        child = os.fork()
        if not child:

            def killed(_: object, __: object, statement: str, *___: object) -> None:
                if statement.startswith("UPDATE mlwright_outbox"):
                    os._exit(9)

            event.listen(store.engine, "before_cursor_execute", killed)
            courier(store, said).deliver()
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
        assert (len(webhook.got), left(store)) == (1, 1)
        assert courier(store, said).deliver().sent == 1
        assert len(webhook.got) == 2
        assert len(set(webhook.keys)) == 1
        assert left(store) == 0


def test_where_no_process_can_be_started_the_message_waits(
    store: MonitorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = spec_of_alerts(channels={"team": {"url": "http://127.0.0.1:9/hook"}})
    told(store, said, "age")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert "could not be started" in courier(store, said).deliver().problems["team"]
    assert left(store) == 1
