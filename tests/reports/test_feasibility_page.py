"""The page on feasibility: self-contained, with one picture that shows what was seen, forecast and asked."""

from __future__ import annotations

import re

import pytest
from tests.reports.test_page import Page
from tests.reports.verdicts import asked, more, requirement, verdict

from mlwright.feasibility import Verdict
from mlwright.reports import feasibility_page
from mlwright.reports.learning_curve import learning_curve_chart


@pytest.fixture(scope="module")
def judged() -> Verdict:
    hard = requirement(
        0.03, id="R2", bound=0.9, limit="too few rows", more_rows=more(480, 1920), rationale="says <b>who</b>"
    )
    return verdict(requirement(0.97), hard)


@pytest.fixture(scope="module")
def page(judged: Verdict) -> str:
    return feasibility_page(judged, *asked(project={"name": "sales"}))


def test_the_page_is_well_formed_and_loads_nothing(page: str) -> None:
    parsed = Page(page)
    assert parsed.open == []
    assert not [tag for tag, _ in parsed.tags if tag in {"script", "link", "iframe", "img"}]
    outside = [value for _, attributes in parsed.tags for value in attributes.values() if value and "://" in value]
    assert {value for value in outside if not value.startswith("http://www.w3.org/")} == set()


def test_every_number_with_an_id_is_evidence_of_the_verdict(page: str, judged: Verdict) -> None:
    ids = {attributes["data-evidence"] for _, attributes in Page(page).tags if "data-evidence" in attributes}
    assert len(ids) >= 6
    assert ids <= {record.id for record in judged.evidence()}


def test_the_answer_comes_before_everything_else(page: str) -> None:
    assert page.index("<b>No</b>") < page.index("<svg") < page.index("<table")
    assert "says &lt;b&gt;who&lt;/b&gt;" in page


def test_there_is_one_picture_with_all_that_it_promises(page: str) -> None:
    drawings = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    assert len(drawings) == 1
    for words in ("asked: R1, at least 0.75", "asked: R2, at least 0.9", "your 480 rows", "this budget: 0.790",
                  "with endlessly many rows", "training rows", "ROC AUC"):  # fmt: skip
        assert words in drawings[0]
    assert not re.findall(r"#[0-9a-fA-F]{6}\b", drawings[0])


def test_what_came_out_is_drawn_once_it_is_known(judged: Verdict) -> None:
    before, after = learning_curve_chart(judged), learning_curve_chart(judged, came_out=0.812)
    assert before is not None
    assert after is not None
    assert "came out" not in before
    assert "came out: 0.812" in after


def test_an_error_is_drawn_with_the_bound_below_it() -> None:
    judged = verdict(requirement(0.5, metric="log_loss", title="log loss", bound=0.4, at_least=False))
    drawing = learning_curve_chart(judged)
    assert drawing is not None
    assert "asked" not in drawing  # the picture is about another metric than the one that is asked for


def test_where_nothing_can_be_said_there_is_a_page_without_a_picture() -> None:
    silent = verdict(forecasts=(), ceilings=(), points=(), budgets=(), run_time=None, notes=("Only 40 rows.",))
    assert learning_curve_chart(silent) is None
    page = feasibility_page(silent, *asked())
    assert "<svg" not in page
    assert "Only 40 rows." in page
    assert Page(page).open == []
