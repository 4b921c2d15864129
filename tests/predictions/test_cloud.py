"""The same log in an object store."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from tests.data.test_sources import Bucket, bucket  # noqa: F401 - a fixture
from tests.predictions.answers import ANSWER, INPUT, NOON, OUTPUT, asked, at

from mlwright.predictions import PredictionLog, StoreFailed, add_labels, erase, expire, overview, read_window
from mlwright.predictions.segments import segments_in
from mlwright.spec import PredictionLogging


@pytest.mark.cloud
class TestLogInABucket:
    def test_answers_are_sealed_labelled_read_erased_and_expired_there(
        self,
        bucket: Bucket,  # noqa: F811
        tmp_path: Path,
    ) -> None:
        place = bucket.url("shop/logs/churn")
        options = PredictionLogging(segments=str(tmp_path))
        log = PredictionLog.open(place, options, input_schema=INPUT, output_schema=OUTPUT, sealing=False)
        for number in range(6):
            log.append(f"a{number}", at(number * 12), "v1", asked(email="ann" if number % 2 else "bob"), ANSWER)
        assert log.seal().files == 6
        assert segments_in(tmp_path) == []
        done = add_labels(place, pl.DataFrame({"id": ["a0", "a1", "zz"], "label": ["yes", "no", "yes"]}))
        assert (done.matched, done.unknown) == (2, 1)
        window = read_window(place, NOON, NOON + timedelta(days=1), labels=True, columns=["id", "label", "input.age"])
        assert sorted(window.read_all().to_pydict()["label"]) == ["no", "yes"]
        assert erase(place, where=("email", ["ann"]), now=NOON + timedelta(days=9)).answers == 3
        assert expire(place, NOON + timedelta(hours=13)).answers == 1
        found = overview(place)
        assert (found.answers, found.labelled) == (2, 0)

    def test_a_store_that_is_gone_keeps_the_segments(self, bucket: Bucket, tmp_path: Path) -> None:  # noqa: F811
        log = PredictionLog.open(
            bucket.url("no-such-bucket/logs"), PredictionLogging(segments=str(tmp_path)), sealing=False
        )
        log.append("a", at(), "v1", asked(), ANSWER)
        with pytest.raises(StoreFailed, match="cannot be reached"):
            log.seal()
        assert len(segments_in(tmp_path)) == 1

    def test_it_is_sealed_there_in_the_background(self, bucket: Bucket, tmp_path: Path) -> None:  # noqa: F811
        import time

        place = bucket.url("shop/logs/background")
        log = PredictionLog.open(place, PredictionLogging(segments=str(tmp_path), rotate_every=timedelta(seconds=0.5)))
        log.append("a", at(), "v1", asked(), ANSWER)
        deadline = time.monotonic() + 60
        while segments_in(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.05)
        log.close(seal=False)
        assert log.counts.seal_failures == 0
        assert read_window(place, columns=["id"]).read_all().to_pydict() == {"id": ["a"]}
