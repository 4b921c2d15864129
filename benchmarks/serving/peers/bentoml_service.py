"""The pipeline as a BentoML service with one worker."""

import bentoml  # type: ignore[import-not-found, unused-ignore]
from benchmarks.serving.peers.one_row import Pipeline, Record


@bentoml.service(workers=1)
class Scoring:
    def __init__(self) -> None:
        self.pipeline = Pipeline()

    @bentoml.api  # type: ignore[untyped-decorator, unused-ignore]
    def score(self, record: Record) -> dict[str, list[float]]:
        return self.pipeline.answer(record)
