import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score
from tests.support import split_of

from mlwright.feasibility import fit_laws, quick_curve
from mlwright.feasibility.ceiling import ceiling_of


def _made(rows: int, seed: int, noise: float) -> tuple[pl.DataFrame, float, float]:
    """Rows whose best AUC and accuracy are known: labels are drawn from probabilities, and some are then flipped."""
    rng = np.random.default_rng(seed)

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.normal(size=(n, 6))
        p = 1 / (1 + np.exp(-2.0 * (x[:, 0] + x[:, 1] * (x[:, 2] > 0))))
        return x, noise + (1 - 2 * noise) * p

    x, p = draw(rows)
    labels = np.where(rng.random(rows) < p, "yes", "no")
    _, many = draw(200_000)
    auc = roc_auc_score(rng.random(200_000) < many, many)
    frame = pl.DataFrame({f"x{i}": x[:, i] for i in range(6)}).with_columns(y=pl.Series(labels))
    return frame, float(auc), float(np.maximum(many, 1 - many).mean())


@pytest.mark.parametrize(("seed", "noise"), [(0, 0.0), (1, 0.1)])
def test_the_ceiling_holds_the_best_score_of_tasks_where_it_is_known(seed: int, noise: float) -> None:
    frame, auc, accuracy = _made(900, seed, noise)
    spec, split = split_of(frame, "y")
    curve = quick_curve(split.train, spec, split.plan, seed=0)
    for metric, best in (("roc_auc", auc), ("accuracy", accuracy)):
        ceiling = ceiling_of(metric, fit_laws(curve)[metric], curve.last.errors[metric], len(split.train))
        assert ceiling.low <= best <= ceiling.high
        assert abs(ceiling.middle - best) < 0.06
        assert ceiling.low <= ceiling.middle <= ceiling.high
