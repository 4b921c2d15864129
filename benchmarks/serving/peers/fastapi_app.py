"""What teams write by hand: FastAPI, a checked record, a frame of one row, a scikit-learn pipeline."""

from benchmarks.serving.peers.one_row import Pipeline, Record
from fastapi import FastAPI

app = FastAPI()
pipeline = Pipeline()


@app.post("/score")
def score(record: Record) -> dict[str, list[float]]:
    return pipeline.answer(record)
