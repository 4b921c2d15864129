"""A small shop with one version that answers, made once and copied for each test that changes it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.lifecycle.world import drawn, opened

from mlwright.lifecycle import Project
from mlwright.models import Model
from mlwright.registry import register_run
from mlwright.runs import Run
from mlwright.spec import Spec
from mlwright.workflow import run as run_workflow


@pytest.fixture(scope="session")
def shop_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A whole run on 2,000 customers."""
    folder: Path = tmp_path_factory.mktemp("shop")
    drawn(2000, seed=1).write_parquet(folder / "customers.parquet")
    spec = Spec.of(
        {
            "project": {"name": "shop"},
            "data": {"source": "customers.parquet", "target": "bought"},
            "budget": {"seconds": 20, "trials": 2},
            "operation": {
                "retrain": {"approve": "automatic", "tolerance": 0.005},
                "act": {"reweight": "automatic", "recalibrate": "automatic", "retrain": "automatic"},
            },
        }
    )
    run = run_workflow(spec.at(folder))
    register_run(run, who="ann")
    return run


@pytest.fixture(scope="session")
def model(shop_run: Run) -> Model:
    return shop_run.model


@pytest.fixture
def project(tmp_path: Path, shop_run: Run) -> Project:
    """A copy of the shop, whose version 1 is champion."""
    folder = tmp_path / "shop"
    shutil.copytree(shop_run.folder.path.parent.parent, folder)
    return opened(folder, shop_run.spec)
