"""Optuna over the same trials: which candidate comes next, trained on folds of the training images only."""
