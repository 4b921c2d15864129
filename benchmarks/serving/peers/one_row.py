"""What services written by hand share: the form of a record, and a pipeline that answers a frame of one row."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import BaseModel


class Record(BaseModel):
    x0: float | None = None
    x1: float | None = None
    x2: float | None = None
    x3: float | None = None
    x4: float | None = None
    x5: float | None = None
    x6: float | None = None
    x7: float | None = None
    k0: str | None = None
    k1: str | None = None
    k2: str | None = None
    k3: str | None = None
    k4: str | None = None
    k5: str | None = None


class Pipeline:
    """The pipeline in the folder that the environment names."""

    def __init__(self) -> None:
        self._fitted = pickle.loads(Path(os.environ["SERVING_FOLDER"], "pipeline.pkl").read_bytes())

    def answer(self, record: Record) -> dict[str, list[float]]:
        row = {name: np.nan if value is None else value for name, value in record.model_dump().items()}
        return {"predictions": [float(self._fitted.predict_proba(pd.DataFrame([row]))[0, 1])]}
