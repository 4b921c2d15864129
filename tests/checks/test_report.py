from __future__ import annotations

import json

import pytest
from tests.checks.tables import checked
from tests.support import breast_cancer_frame

from mlwright.checks import CheckReport, CheckResult, ChecksFailed, Status
from mlwright.core import MlwrightError


def result(status: Status, check: str = "leakage", column: str | None = "a", **more: object) -> CheckResult:
    return CheckResult(check=check, status=status, what=f"{column} is odd", column=column, advice="look", **more)  # type: ignore[arg-type]


def test_the_worst_comes_first_and_equals_keep_the_order_of_the_checks() -> None:
    listed = [result("pass", "x"), result("warn", "y"), result("fail", "z"), result("warn", "w")]
    report = CheckReport.of_results(listed)
    assert [one.check for one in report] == ["z", "y", "w", "x"]
    assert report.status == "fail"
    assert CheckReport.of_results(listed[:2]).status == "warn"
    assert CheckReport(()).status == "pass"


def test_results_are_found_by_check_and_status() -> None:
    report = CheckReport.of_results([result("fail"), result("warn"), result("warn", "missing"), result("pass")])
    assert len(report.of("leakage")) == 3
    assert [one.check for one in report.warned()] == ["leakage", "missing"]
    assert len(report.warned("missing")) == len(report.failed("leakage")) == len(report.failed()) == 1
    assert report.failed("missing") == []


def test_a_failed_check_stops_with_exit_code_one_and_says_where_and_what_to_do() -> None:
    report = CheckReport.of_results([result("fail"), result("fail", "other", None), result("warn")])
    with pytest.raises(ChecksFailed, match="a is odd") as caught:
        report.raise_if_failed()
    assert isinstance(caught.value, MlwrightError)
    assert caught.value.exit_code == 1
    assert caught.value.where == "check 'leakage', column 'a'"
    assert caught.value.fix == "look"
    assert "1 more failed check" in caught.value.what
    assert caught.value.results == tuple(report.failed())


def test_warnings_do_not_stop() -> None:
    CheckReport.of_results([result("warn"), result("pass")]).raise_if_failed()


def test_each_number_is_evidence_with_a_dotted_id() -> None:
    report = CheckReport.of_results([result("warn", evidence={"share": 0.5, "rows": 3}, method="counted", n=10)])
    first, second = report.evidence()
    assert (first.id, first.value, first.method, first.n) == ("checks.leakage.a.share", 0.5, "counted", 10)
    assert second.id == "checks.leakage.a.rows"
    assert (
        CheckReport.of_results([result("pass", column=None, evidence={"n": 1})]).evidence()[0].id == "checks.leakage.n"
    )


def test_a_whole_report_comes_back_from_json() -> None:
    report = checked(breast_cancer_frame(), "diagnosis")
    assert len(report.results) > 30
    assert CheckReport.of_state(json.loads(json.dumps(report.state(), allow_nan=False))) == report
