"""Every step against a slow plain version of itself, value by value."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from tests.features.tables import Typed, array_of, purchases, typed_dataset

from mlwright.data.dataset import FloatArray
from mlwright.features import STEPS, View, fit_encoder
from mlwright.features.steps import (
    DateParts,
    LevelCodes,
    LevelMeans,
    LevelShares,
    Number,
    OneHot,
    ScaledNumber,
    Step,
)
from mlwright.features.words import Words
from mlwright.spec import LogicalType

NAN = float("nan")
levels = st.lists(st.none() | st.sampled_from(["a", "b", "é", "", "unseen"]), max_size=20)
numbers = st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False, width=64), max_size=20)


def features(step: Step, values: list[Any], kind: LogicalType) -> list[list[float]]:
    matrix: FloatArray = step.transform(array_of(Typed(kind, values)))
    assert matrix.shape == (len(values), len(step.names()))
    rows: list[list[float]] = matrix.tolist()
    return rows


def equal(found: list[list[float]], expected: list[list[float]]) -> None:
    np.testing.assert_allclose(np.array(found, dtype=float), np.array(expected, dtype=float), rtol=1e-12, atol=1e-12)


@given(values=numbers)
def test_a_number_is_itself_and_nan_where_it_is_missing(values: list[float | None]) -> None:
    equal(features(Number(column="c"), values, "number"), [[NAN if v is None else v] for v in values])


def test_truth_is_one_and_a_moment_is_its_seconds() -> None:
    assert features(Number(column="c"), [True, False], "boolean") == [[1.0], [0.0]]
    at = datetime(2020, 1, 1, tzinfo=UTC)
    assert features(Number(column="c"), [at.replace(tzinfo=None)], "datetime") == [[at.timestamp()]]


@given(values=levels)
def test_a_level_has_its_number_and_one_that_is_not_listed_the_number_after_the_last(values: list[str | None]) -> None:
    step = LevelCodes(column="c", levels=("b", "a", ""))
    number = {"b": 0.0, "a": 1.0, "": 2.0}
    equal(features(step, values, "category"), [[NAN if v is None else number.get(v, 3.0)] for v in values])


@given(values=levels)
def test_a_level_has_the_logarithm_of_its_share(values: list[str | None]) -> None:
    step = LevelShares(column="c", log_shares={"a": math.log(0.5), "b": math.log(0.1)}, unseen=-9.0, missing=-3.0)
    shares = {"a": math.log(0.5), "b": math.log(0.1), None: -3.0}
    equal(features(step, values, "category"), [[shares.get(v, -9.0)] for v in values])


@given(values=levels)
def test_each_level_has_a_feature_and_missing_has_one_too(values: list[str | None]) -> None:
    step = OneHot(column="c", levels=("a", "é"))
    expected = [[float(v == "a"), float(v == "é"), float(v is None)] for v in values]
    assert features(step, values, "category") == expected


@given(values=levels)
def test_a_level_has_its_mean_target_around_the_mean_of_all(values: list[str | None]) -> None:
    step = LevelMeans(
        column="c", means={"a": [0.9, 0.1], "b": [0.2, 0.3]}, missing=[0.6, 0.6], overall=[0.5, 0.2], scale=[2.0, 0.5]
    )
    means: dict[str | None, list[float]] = {"a": [0.9, 0.1], "b": [0.2, 0.3], None: [0.6, 0.6]}
    expected = [[(m - o) / s for m, o, s in zip(means.get(v, [0.5, 0.2]), [0.5, 0.2], [2, 0.5])] for v in values]  # noqa: B905 - all of two
    equal(features(step, values, "category"), expected)


@given(values=numbers, logarithm=st.booleans(), flag=st.booleans())
def test_a_number_is_cut_off_and_scaled_and_missing_is_the_mean(
    values: list[float | None], logarithm: bool, flag: bool
) -> None:
    step = ScaledNumber(
        column="c", low=-2.0, high=1e6, logarithm=logarithm, mean=3.0, deviation=0.25, flag_missing=flag
    )

    def plain(value: float | None) -> list[float]:
        cut = 3.0 if value is None else min(max(value, -2.0), 1e6)
        shaped = math.log1p(cut + 2.0) if logarithm and value is not None else cut
        return [(shaped - 3.0) / 0.25, *([float(value is None)] if flag else [])]

    equal(features(step, values, "number"), [plain(value) for value in values])


moments = st.lists(st.none() | st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)), max_size=20)  # noqa: DTZ001 - moments have no zone


@given(values=moments)
def test_the_parts_of_a_date_are_those_of_the_calendar(values: list[datetime | None]) -> None:
    parts = ("year", "month", "day", "weekday", "hour", "days")

    def plain(at: datetime | None) -> list[float]:
        if at is None:
            return [NAN] * 6
        hour = at.hour + at.minute / 60 + (at.second + at.microsecond / 1e6) / 3600
        days = (at - datetime(1970, 1, 1)) / timedelta(days=1)  # noqa: DTZ001 - moments have no zone
        return [at.year, at.month, at.day, at.weekday(), hour, days]

    found = features(DateParts(column="c", parts=parts), values, "datetime")
    np.testing.assert_allclose(
        np.array(found).reshape(-1, 6), np.array([plain(at) for at in values]).reshape(-1, 6), rtol=1e-9, atol=2e-8
    )


def test_half_a_second_before_1970_is_in_1969() -> None:
    step = DateParts(column="c", parts=("year", "month", "day", "weekday", "hour"))
    at = datetime(1969, 12, 31, 23, 59, 59, 500_000)  # noqa: DTZ001 - moments have no zone
    assert features(step, [at], "datetime") == [[1969, 12, 31, 2, pytest.approx(24 - 0.5 / 3600)]]


def test_parts_of_a_date_are_scaled_where_there_is_a_scale() -> None:
    step = DateParts(column="c", parts=("year", "month"), means=(2000.0, 6.0), deviations=(10.0, 3.0))
    at = datetime(2020, 12, 1)  # noqa: DTZ001 - moments have no zone
    assert features(step, [at, None], "datetime") == [[2.0, 2.0], [0.0, 0.0]]


texts = st.lists(st.none() | st.text(st.sampled_from("abé 1.,-_ß"), max_size=30), max_size=12)


@given(values=texts)
def test_words_are_weighted_by_how_rare_they_are(values: list[str | None]) -> None:
    weights = {"aa": 1.5, "éb": 2.0, "11": 1.0}
    step = Words(column="c", words=tuple(weights), weights=tuple(weights.values()))

    def plain(text: str | None) -> list[float]:
        found: list[str] = re.findall(r"[^\W_]{2,}", (text or "").lower())
        raw = [found.count(word) * weight for word, weight in weights.items()]
        length = math.sqrt(sum(value * value for value in raw)) or 1.0
        return [math.log1p(len(found)), *(value / length for value in raw)]

    equal(features(step, values, "text"), [plain(value) for value in values])


def texts_of(rows: int, *, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    words = ["good", "bad", "slow", "fast", "cheap", "broken", "lovely", "late", "Straße", "naïve", "42nd"]
    share = 1 / np.arange(1, len(words) + 1)
    return [" ".join(rng.choice(words, int(k), p=share / share.sum())) for k in rng.integers(0, 12, rows)]


def test_words_are_what_scikit_learn_makes_of_the_same_vocabulary() -> None:
    rows = texts_of(400)
    dataset = typed_dataset({"text": Typed("text", rows)}, ["no", "yes"] * 200)
    encoder, matrix = fit_encoder(dataset, "dense")
    (words,) = encoder.steps
    assert isinstance(words, Words)
    assert len(words.words) >= 8
    counts = CountVectorizer(vocabulary=list(words.words), token_pattern=r"(?u)\b\w{2,}\b").transform(rows)
    expected = TfidfTransformer(norm="l2", smooth_idf=True).fit_transform(counts).toarray()
    np.testing.assert_allclose(matrix.values[:, 1:], expected, rtol=1e-12, atol=1e-12)


def test_words_that_nearly_all_or_hardly_any_texts_have_tell_nothing_and_are_left_out() -> None:
    rows = [f"always {'often' if i % 2 else 'else'} once{i} {'seldom' if i < 4 else ''}" for i in range(200)]
    encoder, _ = fit_encoder(typed_dataset({"text": Typed("text", rows)}, ["no", "yes"] * 100), "codes")
    (words,) = encoder.steps
    assert isinstance(words, Words)
    assert set(words.words) == {"often", "else"}


# --------------------------------------------------------------------------------- fitted against plain versions


def fitted(kind: LogicalType, values: list[Any], y: list[Any], view: View) -> tuple[Step, ...]:
    return fit_encoder(typed_dataset({"c": Typed(kind, values)}, y), view)[0].steps


def test_levels_are_listed_by_how_common_they_are_and_rare_ones_are_not() -> None:
    rng = np.random.default_rng(0)
    values = [f"l{i}" for i in rng.zipf(1.4, 500) if i < 2000] + [None] * 7
    codes, shares = fitted("category", values, ["no", "yes", *["no"] * (len(values) - 2)], "codes")
    counts = Counter(value for value in values if value is not None)
    common = sorted((v for v, n in counts.items() if n > 1), key=lambda v: (-counts[v], v))
    assert isinstance(codes, LevelCodes)
    assert isinstance(shares, LevelShares)
    assert codes.levels == tuple(common)
    assert shares.log_shares == {v: pytest.approx(math.log(counts[v] / len(values))) for v in common}
    assert shares.missing == pytest.approx(math.log(7 / len(values)))
    assert shares.unseen == pytest.approx(math.log(1 / len(values)))


def test_level_means_are_drawn_towards_the_mean_of_all() -> None:
    rng = np.random.default_rng(0)
    values = [None if i > 38 else f"l{i:02d}" for i in rng.integers(0, 42, 800)] + ["once"]
    y = rng.choice(["a", "b", "c"], 801, p=[0.5, 0.3, 0.2]).tolist()
    _, step = fitted("category", values, y, "dense")
    assert isinstance(step, LevelMeans)
    overall = [y.count(k) / 801 for k in "bc"]
    for level in {*values}:
        of_level = [k for v, k in zip(values, y, strict=True) if v == level]
        expected = [(of_level.count(k) + 20 * o) / (len(of_level) + 20) for k, o in zip("bc", overall, strict=True)]
        if level == "once":
            assert level not in step.means  # that one row would see its own target
        else:
            assert (step.missing if level is None else step.means[level]) == pytest.approx(expected)
    assert step.overall == pytest.approx(overall)


def test_a_scaled_number_has_mean_0_and_deviation_1_in_the_training_rows() -> None:
    rng = np.random.default_rng(0)
    y = ["no", "yes"] * 500
    for values, logarithm in ((rng.normal(1e6, 3, 1000), False), (rng.lognormal(2, 3, 1000), True)):
        (step,) = fitted("number", values.tolist(), y, "dense")
        assert isinstance(step, ScaledNumber)
        assert step.logarithm is logarithm
        assert not step.flag_missing
        scaled = step.transform(pa.array(values))
        assert scaled.mean() == pytest.approx(0, abs=1e-9)
        assert scaled.std() == pytest.approx(1)
        assert step.low == pytest.approx(np.quantile(values, 0.005))
        assert step.high == pytest.approx(np.quantile(values, 0.995))


def test_equal_numbers_and_equal_moments_are_not_blown_up_by_the_rounding_of_their_deviation() -> None:
    y = ["no", "yes"] * 50
    (number,) = fitted("number", [0.1] * 100, y, "dense")
    assert abs(number.transform(pa.array([0.1, 5.0]))).max() < 1e-9
    at = datetime(2011, 3, 7, 13, 17, 19, 123457)  # noqa: DTZ001 - moments have no zone
    (date,) = fitted("datetime", [at] * 100, y, "dense")
    moved = features(date, [at, at + timedelta(days=3)], "datetime")
    assert moved[0] == [pytest.approx(0, abs=1e-6)]
    assert moved[1] == [pytest.approx(3, abs=1e-6)]


def test_only_the_parts_of_a_date_that_vary_are_features() -> None:
    days = [datetime(2020, 5, 1 + i % 28) for i in range(100)]  # noqa: DTZ001 - moments have no zone
    (step,) = fitted("datetime", days, ["no", "yes"] * 50, "codes")
    assert step.names() == ["c day", "c weekday", "c days"]


def test_every_kind_of_step_is_made_by_some_table_and_comes_back_from_json() -> None:
    rng = np.random.default_rng(0)
    dataset = typed_dataset(
        {
            "n": Typed("number", rng.normal(size=300).tolist()),
            "many": Typed("category", [f"l{i % 40}" for i in range(300)]),
            "side": Typed("category", ["left" if (i % 40 < 20) == (i % 2 == 0) else "right" for i in range(300)]),
            "at": Typed("datetime", rng.integers(0, 10**15, 300).tolist()),
            "text": Typed("text", texts_of(300)),
        },
        ["no", "yes"] * 150,
    )
    made = [step for view in get_args(View) for step in fit_encoder(dataset, view)[0].steps]
    made += fit_encoder(purchases(), "crossed", groups_recur=True)[0].steps
    assert {step.kind for step in made} == set(STEPS)
    for step in made:
        assert STEPS[step.kind].of_state(json.loads(json.dumps(step.state(), allow_nan=False))) == step
