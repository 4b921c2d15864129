"""The pipeline as a model that `mlflow models serve` takes: `python -m benchmarks.serving.peers.mlflow_model FOLDER`."""

import sys
from pathlib import Path

import mlflow.sklearn
from benchmarks.serving.peers.pipeline import fitted
from mlflow.models import ModelSignature
from mlflow.types.schema import ColSpec, Schema, TensorSpec


def main() -> None:
    folder = Path(sys.argv[1])
    pipeline, features = fitted(folder)
    columns: list[ColSpec | TensorSpec] = [
        ColSpec("string" if name.startswith("k") else "double", name, required=False) for name in features
    ]
    mlflow.sklearn.save_model(
        pipeline,
        str(folder / "mlflow_model"),
        signature=ModelSignature(Schema(columns)),
        pyfunc_predict_fn="predict_proba",
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn", "lightgbm"],
    )


if __name__ == "__main__":
    main()
