"""Fixtures that several packages' tests share; plain helpers are in `support.py`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from tests.support import breast_cancer_frame, dataset_of, mixed_frame, spec_for

from mlwright.data import Dataset
from mlwright.runs import Run
from mlwright.spec import Spec
from mlwright.workflow import run as run_workflow

settings.register_profile(
    "mlwright", deadline=None, max_examples=40, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("mlwright")


@pytest.fixture(scope="session")
def breast_cancer() -> Dataset:
    return dataset_of(breast_cancer_frame(), "diagnosis", data={"positive_class": "malignant"})


@pytest.fixture(scope="session")
def mixed() -> Dataset:
    return dataset_of(mixed_frame(), "bought", data={"id": "customer_id"})


@pytest.fixture(scope="session")
def spec() -> Spec:
    return spec_for("diagnosis", data={"positive_class": "malignant"})


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A whole run on the mixed table; treat its folder as read-only."""
    folder: Path = tmp_path_factory.mktemp("project")
    frame = mixed_frame(900)
    frame.write_parquet(folder / "sales.parquet")
    spec = Spec.of(
        {
            "project": {"name": "sales", "owner": "shop"},
            "data": {"source": "sales.parquet", "target": "bought", "id": "customer_id", "sensitive": ["city"]},
            "budget": {"seconds": 20, "trials": 4},
            "requirements": [{"id": "R1", "metric": "roc_auc", "min": 0.6}],
        }
    )
    return run_workflow(spec.at(folder))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium; without it, or without playwright, the test says why it is skipped."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (the extra `browser`)")
    executable = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("there is no Chromium on this machine")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()
