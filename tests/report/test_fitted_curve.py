"""A smooth curve through noisy values, and how uncertain it is."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ablate.report.fitted_curve import fit_curve


def test_a_fitted_curve_finds_the_valley_and_leaves_out_the_noise() -> None:
    noise = np.random.default_rng(0).normal(0, 0.3, 60)
    values = np.linspace(0, 0.6, 60)
    at = [0.0, 0.1, 0.3, 0.5, 0.6]
    curve = fit_curve(values.tolist(), (5 + 20 * (values - 0.3) ** 2 + noise).tolist(), at)
    assert curve is not None
    assert np.allclose(curve.mean, [6.8, 5.8, 5.0, 5.8, 6.8], atol=0.35)
    assert (curve.deviation < 0.2).all()  # below the noise of a single candidate: it is that of the mean
    assert curve.deviation[0] > curve.deviation[2]
    again = fit_curve(values.tolist(), (5 + 20 * (values - 0.3) ** 2 + noise).tolist(), at)
    assert again is not None and (again.mean == curve.mean).all()


def test_the_units_of_a_curve_do_not_matter() -> None:
    values, errors = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], [9.0, 6.0, 5.0, 5.2, 6.1, 8.7]
    small = fit_curve(values, errors, [2.5])
    large = fit_curve([1e6 * value for value in values], [1e-3 * error for error in errors], [2.5e6])
    assert small is not None and large is not None
    assert large.mean[0] == pytest.approx(1e-3 * small.mean[0], rel=1e-3)


@pytest.mark.parametrize(
    ("values", "errors"),
    [([1, 2, 3, 4], [1, 2, 3, 4]), ([1, 1, 2, 3, 4, 4], [1, 2, 3, 4, 5, 6]), ([1, 2, 3, 4, 5], [7, 7, 7, 7, 7])],
)  # fmt: skip
def test_too_little_has_no_curve(values: list[float], errors: list[float]) -> None:
    assert fit_curve(values, errors, [1.0, 2.0]) is None


@pytest.mark.parametrize(
    ("values", "errors"),
    [
        ([0.6, 0.2, 0.0, 0.3, 0.1], [82, 84, 84, 86, 82]),
        ([-0.9, -4.5, -6.6, -0.45, -3.65, -3.6, -5.06, -5.27], [92, 90, 90, 89.33, 89.33, 89.33, 90, 90]),
    ],
)
def test_noise_alone_has_a_flat_curve_as_uncertain_as_a_mean(values: list[float], errors: list[float]) -> None:
    curve = fit_curve(values, errors, np.linspace(min(values), max(values), 50).tolist())
    assert curve is not None and np.ptp(curve.mean) < 0.1
    assert np.allclose(curve.deviation, np.std(errors, ddof=1) / math.sqrt(len(errors)), rtol=0.2)


def test_many_candidates_are_fitted_soon() -> None:
    values = np.linspace(0, 1, 2000)
    curve = fit_curve(values.tolist(), (values + np.sin(40 * values) / 10).tolist(), [0.5])
    assert curve is not None and curve.mean[0] == pytest.approx(0.5, abs=0.1)
