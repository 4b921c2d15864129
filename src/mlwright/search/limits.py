"""Latency and size as the spec limits them: measured on the model itself, and kept by doing without the lightest members."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mlwright.data import Dataset
from mlwright.models import Member, Model, latency_of_answers, size_in_bytes, weights_of
from mlwright.spec import Spec

_TIMES = 200


def within_limits(
    members: tuple[Member, ...], build: Callable[[tuple[Member, ...]], Model], spec: Spec, train: Dataset
) -> Model:
    """The model of these members, or of the weightiest of them that answer as quickly and weigh as little as asked.

    With one member left it is returned as it is: the report says what it takes.
    """
    model = build(members)
    while len(model.members) > 1 and not _keeps(model, spec, train):
        model = build(_without_lightest(model.members))
    return model


def _keeps(model: Model, spec: Spec, train: Dataset) -> bool:
    limits = spec.constraints
    if limits.size_mb is not None and _size_mb(model) > limits.size_mb:
        return False
    return limits.latency_ms is None or latency_of_answers(model, train, _TIMES).p95 <= limits.latency_ms


def _without_lightest(members: tuple[Member, ...]) -> tuple[Member, ...]:
    """Without the further fits of every trial first, then without the trial that counts least."""
    first = {member.trial: member for member in reversed(members)}
    total = weights_of(members)
    if len(first) == len(members):
        del total[min(total, key=lambda trial: total[trial])]
    whole = sum(total.values())
    return tuple(replace(first[trial], weight=weight / whole) for trial, weight in total.items())


def _size_mb(model: Model) -> float:
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model")
        return size_in_bytes(Path(folder) / "model") / 1e6
