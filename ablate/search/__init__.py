"""Searches with Optuna. Candidates are trained as trials, on folds of the training images only."""
