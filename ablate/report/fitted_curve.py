"""fit_curve(): a smooth curve through noisy values, with how uncertain it is."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

MOST_FITTED = 200  # values; a Gaussian process takes time with the cube of them
FITTED = (
    "Curve: Gaussian process (an unknown offset, a constant times squared exponential no narrower than the SD of the "
    "values, white noise of 1% of the variance or more) fitted to the candidates trained to the end; band: two standard "
    "deviations of its mean."
)


class FittedCurve(NamedTuple):
    """A fitted curve at some places: its mean, and the standard deviation of that mean."""

    mean: Any
    deviation: Any


def fit_curve(values: Sequence[float], errors: Sequence[float], at: Sequence[float]) -> FittedCurve | None:
    """A Gaussian process through (value, error), at some values, as FITTED says.

    All in the coordinates in which they are drawn. None for fewer than 5 different values, or errors all the same.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    x, y = np.asarray(values, float), np.asarray(errors, float)
    if len(np.unique(x)) < 5 or np.ptp(y) == 0:
        return None
    kept = np.argsort(x, kind="stable")[:: math.ceil(len(x) / MOST_FITTED)]
    centre, width, middle, spread = x.mean(), x.std(), y.mean(), y.std()
    offset = ConstantKernel(1.0, "fixed")  # without it the mean of all would be taken as known, and the band too narrow
    kernel = offset + ConstantKernel(1.0, (1e-2, 1e2)) * RBF(1.0, (1.0, 10.0)) + WhiteKernel(0.1, (1e-2, 10.0))
    process = GaussianProcessRegressor(kernel, n_restarts_optimizer=2, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a bound of the kernel was met, which is what it is for
        process.fit(((x - centre) / width)[kept, None], ((y - middle) / spread)[kept])
    mean, deviation = process.predict(((np.asarray(at, float) - centre) / width)[:, None], return_std=True)
    noise = process.kernel_.k2.noise_level  # which a prediction has and its mean has not
    return FittedCurve(middle + spread * mean, spread * np.sqrt(np.maximum(deviation**2 - noise, 0.0)))
