"""Axes of errors in percent: whether they are logarithmic, and the vertical axis of a search's figures."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from ablate.report.figures.style import log_ticks

LOG_RATIO = 8  # errors that differ by a greater ratio get a logarithmic axis


def on_log_axis(errors: Sequence[float]) -> bool:
    """Whether errors differ so much that the lowest ones would be hard to distinguish on a linear axis.

    Args:
        errors: finite errors in percent; may be empty.
    """
    return bool(errors) and min(errors) > 0 and max(errors) / min(errors) > LOG_RATIO


def set_validation_error_axis(axis: Axes, errors: Sequence[float]) -> None:
    """Sets title, scale and range of the vertical axis.

    Args:
        axis: the axes.
        errors: finite validation errors in percent, at least one.
    """
    log = on_log_axis(errors)
    axis.set_ylabel(f"validation error, %{', log scale' if log else ''}")
    if log:
        axis.set_yscale("log")
        beside = (max(errors) / min(errors)) ** 0.08
        axis.set_ylim(min(errors) / beside, max(errors) * beside)
        log_ticks(axis.yaxis)
    else:
        margin = 0.08 * (max(errors) - min(errors)) or 1.0
        axis.set_ylim(max(0.0, min(errors) - margin), max(errors) + margin)
