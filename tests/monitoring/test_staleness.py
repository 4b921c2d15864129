from datetime import UTC, datetime, timedelta

import pytest

from mlwright.monitoring.staleness import column_ages, in_words, label_backlog, model_age

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def test_a_source_that_stopped_is_named_with_its_age() -> None:
    found = column_ages(
        {"last_order": NOW - 9 * DAY, "last_visit": NOW - timedelta(hours=5), "empty": None, "new": NOW},
        {"last_order": DAY, "last_visit": timedelta(hours=4), "empty": DAY},
        at=NOW,
    )
    assert [(one.column, one.stale) for one in found] == [("last_order", True), ("last_visit", False)]
    finding = found[0].as_finding()
    assert finding.columns == ("last_order",)
    assert "9 days" in finding.what
    assert finding.level == "warn"


def test_times_in_the_future_are_no_age() -> None:
    found = column_ages({"clock": NOW + DAY}, {"clock": timedelta(0)}, at=NOW)
    assert found[0].age == timedelta(0)
    assert not found[0].stale


CURVE = [(timedelta(0), 0.0), (7 * DAY, 0.5), (30 * DAY, 1.0)]


def test_labels_that_are_not_due_yet_are_not_missed() -> None:
    found = label_backlog([(DAY, 100, 0), (40 * DAY, 1000, 780)], share=0.8, delays=CURVE)
    assert not found.overdue
    assert found.known == 780


def test_labels_that_stopped_coming_are_missed_since_then() -> None:
    windows = [(k * DAY, 100, 80 if k > 20 else 0) for k in range(1, 41)]
    found = label_backlog(windows, share=0.8, delays=CURVE)
    assert found.overdue
    assert found.oldest == 20 * DAY
    finding = found.as_finding()
    assert "20 days" in finding.what
    assert finding.evidence["oldest_hours"] == 480


def test_a_window_of_a_few_rows_is_no_backlog() -> None:
    assert not label_backlog([(60 * DAY, 3, 0)], share=0.9, delays=CURVE).overdue


def test_a_model_is_old_only_beside_the_ones_before() -> None:
    assert model_age(NOW - 400 * DAY, at=NOW) is None
    assert model_age(NOW - 40 * DAY, at=NOW, usual=30 * DAY) is None
    finding = model_age(NOW - 90 * DAY, at=NOW, usual=30 * DAY)
    assert finding is not None
    assert "90 days" in finding.what


@pytest.mark.parametrize(
    ("span", "words"), [(DAY, "1 day"), (timedelta(hours=3), "3 hours"), (timedelta(seconds=5), "less than a minute")]
)
def test_spans_are_written_for_people(span: timedelta, words: str) -> None:
    assert in_words(span) == words
