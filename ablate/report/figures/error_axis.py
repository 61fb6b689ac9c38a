"""The vertical axis of a search's figures: what its candidates are compared by."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from ablate.report.figures.log_axis import ERRORS, log_ticks, on_log_axis

VALIDATION_ERROR = "validation error, %"


def set_measure_axis(axis: Axes, errors: Sequence[float], title: str = VALIDATION_ERROR) -> None:
    """Set title, scale and range of the vertical axis.

    Args:
        axis: The axes.
        errors: Finite values, such as validation errors in percent, at least one.
        title: What the values are, and their unit.
    """
    log = on_log_axis(errors, ERRORS)
    axis.set_ylabel(f"{title}{', log scale' if log else ''}")
    if log:
        axis.set_yscale("log")
        beside = (max(errors) / min(errors)) ** 0.08
        axis.set_ylim(min(errors) / beside, max(errors) * beside)
        log_ticks(axis.yaxis)
    else:
        alone = 1.0 if title.endswith("%") else 0.1 * abs(max(errors)) or 1.0
        margin = 0.08 * (max(errors) - min(errors)) or alone
        floor = min(errors) - margin
        axis.set_ylim(max(0.0, floor) if min(errors) >= 0 else floor, max(errors) + margin)
