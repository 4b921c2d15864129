"""The scikit-learn pipeline that peers serve: ordinal codes, then LightGBM with as many trees as ours.

`python -m benchmarks.serving.peers.pipeline FOLDER` fits it to FOLDER/table.csv and leaves FOLDER/pipeline.pkl. The peer's own
interpreter does it, since a pickle is only safe with the versions that wrote it.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

ROUNDS, LEAVES, LEARNING_RATE = 300, 31, 0.05


def fitted(folder: Path) -> tuple[Any, Any]:
    """The pipeline, and the features that it was fitted to."""
    import lightgbm
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    table = pd.read_csv(folder / "table.csv")
    features = table.drop(columns="y")
    categories = [name for name in features if name.startswith("k")]
    features[categories] = features[categories].astype(object)
    codes = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="missing"),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    )
    columns = ColumnTransformer([("codes", codes, categories)], remainder="passthrough")
    booster = lightgbm.LGBMClassifier(
        n_estimators=ROUNDS, num_leaves=LEAVES, learning_rate=LEARNING_RATE, verbosity=-1, n_jobs=1
    )
    return make_pipeline(columns, booster).fit(features, table["y"]), features


def main() -> None:
    folder = Path(sys.argv[1])
    folder.joinpath("pipeline.pkl").write_bytes(pickle.dumps(fitted(folder)[0]))


if __name__ == "__main__":
    main()
