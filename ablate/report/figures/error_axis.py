"""The vertical axis of a search's figures: errors in percent."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from ablate.report.figures.log_axis import ERRORS, log_ticks, on_log_axis


def set_validation_error_axis(axis: Axes, errors: Sequence[float]) -> None:
    """Set title, scale and range of the vertical axis.

    Args:
        axis: The axes.
        errors: Finite validation errors in percent, at least one.
    """
    log = on_log_axis(errors, ERRORS)
    axis.set_ylabel(f"validation error, %{', log scale' if log else ''}")
    if log:
        axis.set_yscale("log")
        beside = (max(errors) / min(errors)) ** 0.08
        axis.set_ylim(min(errors) / beside, max(errors) * beside)
        log_ticks(axis.yaxis)
    else:
        margin = 0.08 * (max(errors) - min(errors)) or 1.0
        axis.set_ylim(max(0.0, min(errors) - margin), max(errors) + margin)
