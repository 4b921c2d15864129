from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support import spec_of_alerts

from mlwright.alerts import (
    Alert,
    AlertUnknown,
    acknowledge,
    alerts_of,
    make_tables,
    post_digests,
    raise_alerts,
    silence,
    unsilence,
    waiting,
)
from mlwright.core import Interval
from mlwright.monitoring import Finding
from mlwright.monitoring.store import MonitorStore
from mlwright.spec import Alerts, SpecInvalid

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)  # a Wednesday
HOUR = timedelta(hours=1)


def moved(column: str = "age", *, level: Any = "warn", low: float | None = None, high: float | None = None) -> Finding:
    cost = None if low is None or high is None else Interval(low=low, high=high, confidence=0.9)
    return Finding(
        kind="drift",
        level=level,
        what=f"`{column}` is higher than it was.",
        columns=(column,),
        since=NOW - timedelta(days=2),
        evidence={"e_value": 412.0},
        advice="Ask where the column comes from.",
        cost=cost,
        cost_unit="EUR a day",
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MonitorStore]:
    opened = MonitorStore.open("sqlite:///mlwright.db", folder=tmp_path)
    opened.transaction(make_tables)
    yield opened
    opened.close()


TEAM = spec_of_alerts(
    channels={"team": {"url": "http://127.0.0.1:9/"}, "night": {"url": "http://127.0.0.1:9/", "level": "page"}}
)


def look(
    store: MonitorStore, found: Sequence[Finding], *, at: datetime = NOW, said: Alerts = TEAM, judged: Any = None
) -> list[str]:
    changes = store.transaction(lambda c: raise_alerts(c, found, model="churn", alerts=said, now=at, judged=judged))
    return [change.what for change in changes]


def outbox(store: MonitorStore) -> list[tuple[str, str]]:
    messages = [one.message for one in store.reading(lambda c: waiting(c, "churn"))]
    return [(message.channel, message.event) for message in messages]


def alerts(store: MonitorStore) -> list[Alert]:
    return store.reading(lambda c: alerts_of(c, "churn"))


def test_a_finding_is_told_once_to_the_channels_of_its_level_however_often_it_is_found(store: MonitorStore) -> None:
    assert look(store, [moved()]) == ["opened"]
    for hours in (1, 2, 30):
        assert look(store, [moved()], at=NOW + hours * HOUR) == []
    assert outbox(store) == [("team", "opened")]
    assert alerts(store)[0].seen == NOW + 30 * HOUR


def test_a_finding_that_gets_graver_is_told_again_also_to_those_who_were_not_told_before(store: MonitorStore) -> None:
    look(store, [moved()])
    assert look(store, [moved(level="page")], at=NOW + HOUR) == ["worse"]
    assert sorted(outbox(store)) == [("night", "worse"), ("team", "opened"), ("team", "worse")]


def test_it_is_told_again_when_it_surely_costs_more_and_not_when_it_may(store: MonitorStore) -> None:
    look(store, [moved(low=10, high=20)])
    assert look(store, [moved(low=15, high=60)], at=NOW + HOUR) == []
    assert look(store, [moved(low=21, high=60)], at=NOW + 2 * HOUR) == ["worse"]


def test_what_is_gone_for_long_enough_is_resolved_and_comes_back_as_a_new_episode(store: MonitorStore) -> None:
    look(store, [moved()])
    assert look(store, [], at=NOW + HOUR) == []
    assert look(store, [moved()], at=NOW + 1.5 * HOUR) == [], "it only flickered"
    assert look(store, [], at=NOW + 2 * HOUR) == []
    assert look(store, [], at=NOW + 3 * HOUR) == ["resolved"]
    assert look(store, [], at=NOW + 4 * HOUR) == []
    assert look(store, [moved()], at=NOW + 5 * HOUR) == ["opened"]
    assert [(one.episode, one.state) for one in alerts(store)] == [(1, "resolved"), (2, "open")]
    assert outbox(store) == [("team", "opened"), ("team", "resolved"), ("team", "opened")]


def test_alerts_of_kinds_that_were_not_looked_for_stay_open(store: MonitorStore) -> None:
    look(store, [moved()])
    for hours in (1, 5):
        assert look(store, [], at=NOW + hours * HOUR, judged=["loss"]) == []
    assert alerts(store)[0].gone is None


def test_an_alert_that_nobody_acknowledges_is_escalated_once(store: MonitorStore) -> None:
    look(store, [moved(level="page")])
    assert look(store, [moved(level="page")], at=NOW + 3.9 * HOUR) == []
    assert look(store, [moved(level="page")], at=NOW + 4 * HOUR) == ["escalated"]
    assert look(store, [moved(level="page")], at=NOW + 9 * HOUR) == []


def test_who_acknowledges_an_alert_hears_of_it_again_only_when_it_is_worse(store: MonitorStore) -> None:
    look(store, [moved(level="page", low=1, high=2)])
    key = moved().key
    done = store.transaction(lambda c: acknowledge(c, key, model="churn", who="ada", now=NOW + HOUR, note="looking"))
    assert (done.state, done.acknowledged_by) == ("acknowledged", "ada")
    assert look(store, [moved(level="page", low=1, high=2)], at=NOW + 9 * HOUR) == []
    assert look(store, [moved(level="page", low=5, high=9)], at=NOW + 10 * HOUR) == ["worse"]
    assert alerts(store)[0].state == "open"


def test_acknowledging_what_is_not_there_names_what_is(store: MonitorStore) -> None:
    look(store, [moved()])
    with pytest.raises(AlertUnknown) as error:
        store.transaction(lambda c: acknowledge(c, "drift/overall/aeg", model="churn", who="ada", now=NOW))
    assert "drift/overall/age" in error.value.fix


def test_what_is_silenced_by_the_schedule_is_kept_and_told_when_the_silence_ends(store: MonitorStore) -> None:
    said = spec_of_alerts(
        channels={"team": {"url": "http://127.0.0.1:9/"}},
        silence=[{"days": ["sat", "sun"]}, {"between": "22:00-06:00"}],
        timezone="Europe/Berlin",
    )
    night = datetime(2026, 3, 4, 22, 30, tzinfo=UTC)  # 23:30 in Berlin
    assert look(store, [moved()], at=night, said=said) == ["opened"]
    assert outbox(store) == []
    assert look(store, [moved()], at=datetime(2026, 3, 5, 4, 59, tzinfo=UTC), said=said) == []
    assert outbox(store) == []
    look(store, [moved()], at=datetime(2026, 3, 5, 5, 0, tzinfo=UTC), said=said)
    assert outbox(store) == [("team", "opened")]


def test_a_silence_of_the_schedule_does_not_keep_back_what_is_graver(store: MonitorStore) -> None:
    said = spec_of_alerts(channels={"team": {"url": "http://127.0.0.1:9/"}}, silence=[{"key": "drift/*"}])
    look(store, [moved("age"), moved("fee", level="page")], said=said)
    assert [one.message.key for one in store.reading(lambda c: waiting(c, "churn"))] == ["drift/overall/fee"]


def test_people_silence_a_pattern_for_a_while_or_until_they_take_it_back(store: MonitorStore) -> None:
    store.transaction(lambda c: silence(c, "drift/*", model="churn", until=NOW + 5 * HOUR, who="ada"))
    look(store, [moved(level="page")])
    assert outbox(store) == []
    store.transaction(lambda c: unsilence(c, "drift/*", model="churn"))
    look(store, [moved(level="page")], at=NOW + HOUR)
    assert sorted(outbox(store)) == [("night", "opened"), ("team", "opened")]


def test_a_night_belongs_to_the_day_on_which_it_begins(store: MonitorStore) -> None:
    said = spec_of_alerts(
        channels={"team": {"url": "http://127.0.0.1:9/"}}, silence=[{"days": ["fri"], "between": "22:00-06:00"}]
    )
    look(store, [moved()], at=datetime(2026, 3, 7, 5, 0, tzinfo=UTC), said=said)  # Saturday, 05:00
    assert outbox(store) == []
    look(store, [moved()], at=datetime(2026, 3, 7, 23, 0, tzinfo=UTC), said=said)  # Saturday, 23:00
    assert outbox(store) == [("team", "opened")]


def test_a_digest_is_made_once_a_period_and_names_what_came_up_is_over_and_is_open(store: MonitorStore) -> None:
    said = spec_of_alerts(channels={"boss": {"url": "http://127.0.0.1:9/", "level": "page", "digest": "daily"}})

    def digest(at: datetime) -> list[str]:
        return [one.text for one in store.transaction(lambda c: post_digests(c, model="churn", alerts=said, now=at))]

    assert digest(NOW) == [], "nothing to sum up before the first look"
    look(store, [moved("age"), moved("fee")], at=NOW + HOUR, said=said)
    look(store, [moved("age")], at=NOW + 2 * HOUR, said=said)
    look(store, [moved("age")], at=NOW + 4 * HOUR, said=said)
    (text,) = digest(NOW + 24 * HOUR)
    assert text.index("Still open:") < text.index("`age`") < text.index("Came up:") < text.index("`fee`")
    assert digest(NOW + 25 * HOUR) == []
    (later,) = digest(NOW + 24 * 6 * HOUR)
    assert "From 2026-03-05 08:00 UTC to 2026-03-10 08:00 UTC" in later, "days that were missed are in the next one"
    assert outbox(store) == [("boss", "digest"), ("boss", "digest")]


def test_a_message_has_cause_cost_evidence_advice_and_how_to_answer(store: MonitorStore) -> None:
    look(store, [moved(low=120, high=310)])
    (one,) = store.reading(lambda c: waiting(c, "churn"))
    text = one.message.text
    for part in (
        "`age` is higher than it was.",
        "Since: 2026-03-02 12:00 UTC",
        "Cost: 120 to 310 EUR a day (90 % sure)",
        "e value 412",
        "What to do: Ask where the column comes from.",
        'mlwright monitor ack "drift/overall/age"',
        one.message.id,
    ):
        assert part in text
    assert one.message.title == "[warn] churn: `age` is higher than it was."


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    looks=st.lists(
        st.tuples(
            st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["info", "warn", "page"])), max_size=3),
            st.integers(0, 5),
            st.booleans(),
        ),
        max_size=8,
    )
)
def test_nobody_hears_of_an_end_without_its_beginning_and_at_most_one_episode_is_open(
    looks: list[tuple[list[tuple[str, str]], int, bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = MonitorStore.open("sqlite:///a.db", folder=tmp_path_factory.mktemp("alerts"))
    store.transaction(make_tables)
    at = NOW
    for found, hours, twice in looks:
        at += hours * HOUR
        for _ in range(1 + twice):  # a transaction that is done again changes nothing more
            look(store, [moved(column, level=level) for column, level in found], at=at)
    known = alerts(store)
    for key in {one.key for one in known}:
        assert sum(one.state != "resolved" for one in known if one.key == key) <= 1
    told: dict[tuple[str, str], int] = {}
    for one in store.reading(lambda c: waiting(c, "churn")):
        open_ones = told.get((one.message.channel, one.message.key), 0)
        told[one.message.channel, one.message.key] = open_ones + (one.message.event in {"opened", "worse"})
        if one.message.event == "resolved":
            assert open_ones > 0
    store.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"channels": {"a": {"url": "http://x", "level": "loud"}}},
        {"silence": [{"between": "25:00-26:00"}]},
        {"silence": [{"start": "2026-02-01", "end": "2026-01-01"}]},
        {"timezone": "Europe/Atlantis"},
        {"escalation": {"to": ["nobody"]}},
    ],
)
def test_a_section_that_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SpecInvalid):
        spec_of_alerts(**wrong)
