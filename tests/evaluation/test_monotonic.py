"""Monotonic constraints: kept by every family that says so, and a model that breaks one is found out."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.support import diabetes_frame, mixed_frame, split_of

from mlwright.core import Deadline
from mlwright.data import Split, TableSummary
from mlwright.evaluation import MonotonicProof, prove_monotonic
from mlwright.features import fit_encoder
from mlwright.models import FAMILIES, Calibration, FitJob, Member, Model, Outline, Rows, Settled
from mlwright.search.folds import monotonic_signs
from mlwright.spec import Spec

#: Against what the rows say, so that a family that does not care is found out.
WANTED = {"age": "increasing", "visits": "decreasing"}
CLAIMING = [name for name, family in FAMILIES.items() if family.abilities.monotonic]
_SETTLED: dict[str, Settled] = {"linear": {"penalty": 0.001}, "extra_trees": {}, "neighbours": {}, "constant": {}}


@cache
def rows(wanted: tuple[tuple[str, str], ...] = tuple(WANTED.items())) -> tuple[Spec, Split]:
    """Numbers, a category of many levels, and missing values."""
    rng = np.random.default_rng(0)
    frame = mixed_frame(1200).drop("review", "joined")
    frame = frame.with_columns(shop=pl.Series([f"s{k}" for k in rng.integers(0, 60, frame.height)]))
    return split_of(frame, "bought", data={"id": "customer_id"}, constraints={"monotonic": dict(wanted)})


def model_of(name: str, spec: Spec, split: Split, *, constrained: bool = True, **changes: Any) -> Model:
    family, train = FAMILIES[name], split.train
    if not family.installed:
        pytest.skip(f"{family.title} is not installed")
    encoder, matrix = fit_encoder(train, family.view)
    wanted = spec.constraints.monotonic if constrained else {}
    estimator = family.fit(
        FitJob(
            task=train.task,
            n_classes=max(len(train.classes), 1),
            rows=Rows(matrix=matrix, y=train.y),
            parameters={**family.candidates(Outline.of(train))[0], **changes},
            seed=0,
            deadline=Deadline.after(60),
            settled=_SETTLED.get(name, {"rounds": 60}),
            monotonic=monotonic_signs(matrix, train, wanted),
        )
    )
    summary = train.summary()
    read = [column for column in train.schema.names if column in encoder.columns]
    return Model(
        task=train.task,
        classes=train.classes,
        target=train.target,
        schema=train.schema.select(read),
        encoders={family.view: encoder},
        members=(Member(family=name, trial=name, weight=1.0, estimator=estimator),),
        calibration=Calibration(method="beta", values=(1.2, 0.7, 0.1)) if train.task == "binary" else Calibration(),
        reference=TableSummary(rows=summary.rows, columns={column: summary[column] for column in read}),
    )


def proofs(model: Model, spec: Spec, split: Split) -> dict[str, MonotonicProof]:
    return {proof.column: proof for proof in prove_monotonic(model, split, spec, seed=0)}


@pytest.mark.parametrize("name", CLAIMING)
def test_every_family_that_claims_it_keeps_the_constraint(name: str) -> None:
    spec, split = rows()
    found = proofs(model_of(name, spec, split), spec, split)
    assert set(found) == set(WANTED)
    for proof in found.values():
        assert proof.holds, proof.sentence()
        assert proof.violated == 0
        assert proof.n == 200
        assert 10 <= proof.grid <= 30


@pytest.mark.parametrize("name", CLAIMING)
def test_it_is_kept_where_a_number_is_predicted(name: str) -> None:
    spec, split = split_of(diabetes_frame(), "progression", constraints={"monotonic": {"bmi": "decreasing"}})
    assert proofs(model_of(name, spec, split), spec, split)["bmi"].holds


@pytest.mark.parametrize("name", ["lightgbm", "catboost", "linear"])
def test_a_model_that_goes_the_wrong_way_is_found_out_with_how_far_and_where(name: str) -> None:
    spec, split = rows()
    proof = proofs(model_of(name, spec, split, constrained=False), spec, split)["visits"]
    assert not proof.holds
    assert 0 < proof.violated <= proof.n
    assert 0 < proof.worst < 1
    assert proof.worst_from is not None
    assert proof.worst_to is not None
    assert proof.worst_from < proof.worst_to
    assert "moved the wrong way" in proof.sentence()
    assert proof.as_constraint().outcome == "not met"


def test_the_largest_move_is_the_one_that_single_answers_make() -> None:
    spec, split = rows()
    model = model_of("linear", spec, split, constrained=False)
    proof = proofs(model, spec, split)["visits"]
    frame = split.test.table
    position = frame.column_names.index("visits")

    def answers(value: float | None) -> np.ndarray:
        moved = frame.set_column(position, "visits", [[int(value or 0)] * frame.num_rows])
        return model.predict(moved).prediction

    moves = answers(proof.worst_to) - answers(proof.worst_from)
    assert proof.worst == pytest.approx(moves.max(), rel=1e-6)


def test_a_column_that_the_model_does_not_read_moves_nothing() -> None:
    frame = mixed_frame(300).with_columns(size=pl.Series(np.arange(300) % 7))
    spec, split = split_of(frame, "bought", constraints={"monotonic": {"size": "increasing"}})
    blind = replace(split, dataset=split.dataset.without(["size"]))
    proof = proofs(model_of("lightgbm", spec, blind, constrained=False), spec, split)["size"]
    assert proof.holds
    assert not proof.used
    assert "does not use size" in proof.sentence()


def test_truth_values_are_moved_from_no_to_yes() -> None:
    spec, split = rows((("member", "increasing"),))
    proof = proofs(model_of("lightgbm", spec, split), spec, split)["member"]
    assert proof.holds
    assert proof.grid == 2


def test_the_same_seed_proves_the_same_and_the_evidence_has_all_of_it() -> None:
    spec, split = rows()
    model = model_of("linear", spec, split, constrained=False)
    assert prove_monotonic(model, split, spec, seed=1) == prove_monotonic(model, split, spec, seed=1)
    proof = proofs(model, spec, split)["visits"]
    assert {record.id: record.value for record in proof.evidence()} == {
        "monotonic.visits": "violated",
        "monotonic.visits.worst": proof.worst,
        "monotonic.visits.rows": proof.violated,
    }
    assert MonotonicProof(**{name: getattr(proof, name) for name in proof.__slots__}) == proof
