"""The section on fairness in the report, from a whole run whose limits by group were asked for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.support import mixed_frame

from mlwright.models import Scorer
from mlwright.reports import report_page
from mlwright.reports.words import acting
from mlwright.runs import Run
from mlwright.spec import Spec
from mlwright.verification import verify
from mlwright.workflow import run as run_workflow

METRIC = "demographic_parity_difference"


@pytest.fixture(scope="module")
def fair(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """People who buy or do not; the spec asks that old and young are acted on alike."""
    folder: Path = tmp_path_factory.mktemp("fair")
    mixed_frame(3000).write_parquet(folder / "sales.parquet")
    limit = {"attribute": "age < 50", "metric": METRIC, "max": 0.25, "adjust": "group_thresholds"}
    spec = Spec.of(
        {
            "data": {"source": "sales.parquet", "target": "bought", "id": "customer_id", "sensitive": ["city"]},
            "budget": {"seconds": 20, "trials": 2},
            "constraints": {"fairness": [limit, {"attribute": "city == 'Bern'", "metric": METRIC, "max": 0.2}]},
        }
    )
    return run_workflow(spec.at(folder))


@pytest.fixture(scope="module")
def section(fair: Run) -> str:
    page = report_page(fair)
    assert '<a href="#fairness">Fairness</a>' in page
    return page[page.index('<section id="fairness">') : page.index('<section id="limits">')]


def test_limits_by_group_close_the_gap_that_was_asked_for(fair: Run) -> None:
    assert fair.evaluation is not None
    found = fair.evaluation.fairness
    assert found is not None
    assert found.price is not None
    assert fair.model.rule.by_group is not None
    before = next(gap.value for gap in found.price.before if gap.metric == METRIC)
    after = found.of("age < 50").gap(METRIC)
    assert after is not None
    assert after.value is not None
    assert before is not None
    assert after.value < 0.25 < before
    assert fair.evaluation.requirements[0].outcome == "met"


def test_it_shows_groups_gaps_the_price_and_what_stricter_limits_cost(fair: Run, section: str) -> None:
    for text in ("Groups of age &lt; 50", "Groups of city", "What limits by group cost", "What a stricter limit costs"):
        assert text in section
    assert "unlawful in places" in section
    assert "groups of age < 50 have limits of their own" in acting(fair.model)
    assert section.count("<svg") >= 4  # two or more attributes, two trade-offs
    assert "fewer than 100 test rows" in section


def test_every_number_has_its_evidence(fair: Run, section: str) -> None:
    named = set(re.findall(r'data-evidence="([^"]+)"', section))
    known = {record.id.replace("<", "&lt;").replace("'", "&#39;") for record in fair.evidence()}
    assert named
    assert named <= known
    assert {"fairness.price.gain", "fairness.trade_off.F1.0_25.value"} <= {record.id for record in fair.evidence()}


def test_all_of_it_comes_out_again(fair: Run) -> None:
    differences = verify(fair.folder).differences
    assert [one for one in differences if one.id.startswith(("fairness", "requirements"))] == []


def test_the_package_acts_by_group_and_without_one_as_usual(fair: Run) -> None:
    scorer = Scorer.load(fair.folder.model_path)
    assert fair.model.rule.by_group is not None
    limits = fair.model.rule.by_group.limits
    for record in mixed_frame(200, seed=9).drop("bought").to_dicts():
        answer = scorer.answer(record)
        assert answer.probabilities is not None
        age = record["age"]
        limit = 0.5 if age is None else limits["true" if age < 50 else "false"]
        assert (answer.prediction == "yes") == (answer.probabilities["yes"] > limit - 1e-12)


def test_a_run_without_limits_shows_its_groups_and_no_price(finished: Run) -> None:
    page = report_page(finished)
    assert "Groups of city" in page  # called sensitive
    assert "What a stricter limit costs" not in page
    assert "What limits by group cost" not in page
