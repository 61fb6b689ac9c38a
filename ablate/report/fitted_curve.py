"""fit_curve(): a smooth curve through noisy values, with its uncertainty."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

MOST_FITTED = 200  # values; the time to fit a Gaussian process grows with the cube of their number
FITTED = (
    "Curve: Gaussian process (an unknown offset, a constant times squared exponential no narrower than the SD of the "
    "values, white noise of 1% of the variance or more) fitted to the candidates trained to the end; band: two standard "
    "deviations of its mean."
)


class FittedCurve(NamedTuple):
    """A fitted curve at M values of an axis.

    Args:
        mean: The mean of the curve, shape (M,).
        deviation: The standard deviation of that mean, shape (M,).
    """

    mean: Any
    deviation: Any


def fit_curve(values: Sequence[float], errors: Sequence[float], at: Sequence[float]) -> FittedCurve | None:
    """A Gaussian process fitted to N points, evaluated at M values; FITTED describes its kernel in words.

    All arguments are in the coordinates of the drawing, that is as logarithms where an axis is logarithmic.

    Args:
        values: The values of the axis, shape (N,).
        errors: The errors at these values, shape (N,).
        at: The values of the axis at which the curve is evaluated, shape (M,).

    Returns:
        The curve; None for fewer than 5 different values, or if all errors are equal.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    x, y = np.asarray(values, float), np.asarray(errors, float)
    if len(np.unique(x)) < 5 or np.ptp(y) == 0:
        return None
    kept = np.argsort(x, kind="stable")[:: math.ceil(len(x) / MOST_FITTED)]
    centre, width, middle, spread = x.mean(), x.std(), y.mean(), y.std()
    offset = ConstantKernel(1.0, "fixed")  # without it the mean would count as known and the band be too narrow
    kernel = offset + ConstantKernel(1.0, (1e-2, 1e2)) * RBF(1.0, (1.0, 10.0)) + WhiteKernel(0.1, (1e-2, 10.0))
    process = GaussianProcessRegressor(kernel, n_restarts_optimizer=2, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a parameter may reach a bound of the kernel
        process.fit(((x - centre) / width)[kept, None], ((y - middle) / spread)[kept])
    mean, deviation = process.predict(((np.asarray(at, float) - centre) / width)[:, None], return_std=True)
    noise = process.kernel_.k2.noise_level  # a predicted value includes this noise, the mean does not
    return FittedCurve(middle + spread * mean, spread * np.sqrt(np.maximum(deviation**2 - noise, 0.0)))
