"""From a business question and a table to a proven, documented model.

Start at `run` (everything at once), at the stages it is made of (`workflow`), or at `Classifier` and `Regressor`
(scikit-learn estimators over the same search). Names are loaded when they are first used, so that importing
mlwright costs nothing.
"""
