from __future__ import annotations

import itertools

import pytest

from mlwright.core import ProgressEvent, silent, stage


def ticking() -> itertools.count[float]:
    return itertools.count(5.0, 1.0)


def test_a_stage_reports_its_start_its_advances_and_its_end_with_the_time_since_it_began() -> None:
    seen: list[ProgressEvent] = []
    with stage("search", seen.append, clock=ticking().__next__) as search:
        search.advance("lightgbm", done=1, total=8, best="log loss 0.31")
        search.advance("linear")
    assert seen == [
        ProgressEvent(stage="search", kind="started", elapsed_s=1.0),
        ProgressEvent(
            stage="search", kind="advanced", elapsed_s=2.0, detail="lightgbm", done=1, total=8, best="log loss 0.31"
        ),
        ProgressEvent(stage="search", kind="advanced", elapsed_s=3.0, detail="linear"),
        ProgressEvent(stage="search", kind="finished", elapsed_s=4.0),
    ]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_stage_that_fails_says_so_and_lets_the_error_through(error: type[BaseException]) -> None:
    seen: list[ProgressEvent] = []
    with pytest.raises(error), stage("search", seen.append):
        raise error
    assert [event.kind for event in seen] == ["started", "failed"]


def test_stages_inside_one_another_report_under_their_own_names() -> None:
    seen: list[ProgressEvent] = []
    with stage("train", seen.append), stage("read", seen.append):
        pass
    assert [(e.stage, e.kind) for e in seen] == [
        ("train", "started"),
        ("read", "started"),
        ("read", "finished"),
        ("train", "finished"),
    ]


def test_nobody_has_to_watch(capfd: pytest.CaptureFixture[str]) -> None:
    with stage("read") as reading:
        assert reading.progress is silent
        reading.advance("half", done=1, total=2)
    assert capfd.readouterr() == ("", "")
