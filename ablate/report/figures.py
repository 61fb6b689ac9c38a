"""Every figure of a report by its name, each drawn in a file of its own, and to_bytes(), which writes it."""

from ablate.report.curve_figure import ImportedCurve, draw_curves, draw_train_test
from ablate.report.curves import curve_points, seed_points
from ablate.report.error_figure import draw_errors, error_points
from ablate.report.growth_figure import draw_growth
from ablate.report.panels import Panel, data_panels
from ablate.report.parameter_figure import draw_parameters, pareto_front
from ablate.report.ranking_figure import draw_critical_difference, draw_rank_stability
from ablate.report.step_time_figure import StepTime, draw_step_times
from ablate.report.style import to_bytes

__all__ = [
    "ImportedCurve",
    "Panel",
    "StepTime",
    "curve_points",
    "data_panels",
    "draw_critical_difference",
    "draw_curves",
    "draw_errors",
    "draw_growth",
    "draw_parameters",
    "draw_rank_stability",
    "draw_step_times",
    "draw_train_test",
    "error_points",
    "pareto_front",
    "seed_points",
    "to_bytes",
]
