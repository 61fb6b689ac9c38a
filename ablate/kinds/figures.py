"""The table of figures. A new figure is an entry here, and a file with the two functions that the entry names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ReportKind = Literal["trained", "counted", "search", "program"]
Font = Literal["sans-serif", "serif"]


@dataclass(frozen=True, kw_only=True)
class FigureStyle:
    """How the figures of a report are drawn, for a paper.

    Args:
        width: Of every figure, in inches; None: as wide as its contents need, at most a page.
        font: "sans-serif" or "serif"; both fonts are part of matplotlib, and of the PDF files.
        title: Whether title and caption are written above the axes; a paper has its own.
    """

    width: float | None = None
    font: Font = "sans-serif"
    title: bool = True


USUAL_STYLE = FigureStyle()


@dataclass(frozen=True, kw_only=True)
class FigureKind:
    """A figure of a report.

    Args:
        name: The name in file names and in a study's `figures:`. A number follows it where a report has several drawings.
        alt_text: What the figure shows, for readers who cannot see it. {measure} is what the study decides by.
        reports: Those that have it: of a study with seeds ("trained"), of a study without ("counted"), of a search, or of a
            study of a program. Figures of different reports may have one name.
        choice: "default": drawn unless the study's `figures:` leaves it out; "optional": drawn only where `figures:` names
            it; "always": drawn wherever it has values.
        values: "module:function", from the analysis that a report is made of to one `FigureInfo` a drawing.
        draw: "module:function", from the values, title, caption and badge to a matplotlib figure.
        main: The figure of a report with the highest number stands with the finding at its top; 0: it never does.
        folded: Whether a page shows the figure on request only.
    """

    name: str
    alt_text: str
    reports: tuple[ReportKind, ...]
    choice: Literal["default", "optional", "always"] = "always"
    values: str
    draw: str
    main: int = 0
    folded: bool = False


FIGURES = (
    FigureKind(
        name="curves", reports=("trained",), choice="default",
        alt_text="Training curves: training loss above, {measure} below",
        values="ablate.report.figure_values.curves:curve_values",
        draw="ablate.report.figures.curves:draw_curves",
    ),
    FigureKind(
        name="train_test", reports=("trained",), choice="optional",
        alt_text="Training error and {measure} by epoch",
        values="ablate.report.figure_values.curves:train_test_values",
        draw="ablate.report.figures.curves:draw_train_test",
    ),
    FigureKind(
        name="errors", reports=("trained", "program"), choice="default", main=1,
        alt_text="{Measure} by variant, the best first: seeds and their median",
        values="ablate.report.figure_values.errors:error_values",
        draw="ablate.report.figures.errors:draw_errors",
    ),
    FigureKind(
        name="parameters", reports=("trained",), choice="default",
        alt_text="{Measure} against parameters, with the Pareto front",
        values="ablate.report.figure_values.errors:parameter_values",
        draw="ablate.report.figures.parameters:draw_parameters",
    ),
    FigureKind(
        name="ranks", reports=("trained", "program"), choice="default",
        alt_text="The ranks that each variant may have, given its seeds",
        values="ablate.report.figure_values.ranks:rank_values",
        draw="ablate.report.figures.ranks:draw_ranks",
    ),
    FigureKind(
        name="effects", reports=("trained", "program"), choice="default",
        alt_text="{Measure} by level of each factor, means over the other factors",
        values="ablate.report.figure_values.designs:main_effect_values",
        draw="ablate.report.figures.designs:draw_effects",
    ),
    FigureKind(
        name="interactions", reports=("trained", "program"), choice="default",
        alt_text="{Measure} by the levels of two factors together",
        values="ablate.report.figure_values.designs:interaction_values",
        draw="ablate.report.figures.designs:draw_interactions",
    ),
    FigureKind(
        name="critical_difference", reports=("trained",),
        alt_text="Average ranks over the data sets",
        values="ablate.report.figure_values.ranks:critical_difference_values",
        draw="ablate.report.figures.ranks:draw_critical_difference",
    ),
    FigureKind(
        name="class_errors", reports=("trained",), choice="default", folded=True,
        alt_text="Error of each class by variant",
        values="ablate.report.figure_values.predictions:class_error_values",
        draw="ablate.report.figures.predictions:draw_class_errors",
    ),
    FigureKind(
        name="confusion", reports=("trained",), choice="default", folded=True,
        alt_text="Which classes are predicted as which: the best variant, and its baseline",
        values="ablate.report.figure_values.predictions:confusion_values",
        draw="ablate.report.figures.predictions:draw_matrices",
    ),
    FigureKind(
        name="agreement", reports=("trained",), choice="default", folded=True,
        alt_text="How often the networks of two variants predict the same class",
        values="ablate.report.figure_values.predictions:agreement_values",
        draw="ablate.report.figures.predictions:draw_matrices",
    ),
    FigureKind(
        name="missed", reports=("trained",), choice="default", folded=True,
        alt_text="Images that every trained network predicts wrongly, with their true and their predicted class",
        values="ablate.report.figure_values.predictions:missed_values",
        draw="ablate.report.figures.predictions:draw_contact_sheet",
    ),
    FigureKind(
        name="curves", reports=("program",), choice="default",
        alt_text="Training curves: {measure}",
        values="ablate.report.figure_values.curves:seed_curve_values",
        draw="ablate.report.figures.curves:draw_curves",
    ),
    FigureKind(
        name="path", reports=("trained", "program"), choice="default", main=2,
        alt_text="The road map: {measure} from the base to the full method, a bar a step",
        values="ablate.report.figure_values.designs:path_values",
        draw="ablate.report.figures.designs:draw_path",
    ),
    FigureKind(
        name="scaling", reports=("counted",), main=1,
        alt_text="Counts against each axis, relative to the base",
        values="ablate.report.figure_values.counted:scaling_values",
        draw="ablate.report.figures.counted:draw_scaling",
    ),
    FigureKind(
        name="step_times", reports=("counted",), main=1,
        alt_text="Milliseconds of a training step, with the test error beside",
        values="ablate.report.figure_values.counted:step_time_values",
        draw="ablate.report.figures.counted:draw_step_times",
    ),
    FigureKind(
        name="objective", reports=("search",), main=1,
        alt_text="{Measure} against each value that was searched",
        values="ablate.report.figure_values.search:objective_values",
        draw="ablate.report.figures.objective:draw_objective",
    ),
    FigureKind(
        name="history", reports=("search",),
        alt_text="{Measure} by candidate, and the best so far",
        values="ablate.report.figure_values.search:history_values",
        draw="ablate.report.figures.search:draw_history",
    ),
    FigureKind(
        name="importances", reports=("search",),
        alt_text="How much of the differences each parameter explains",
        values="ablate.report.figure_values.search:importance_values",
        draw="ablate.report.figures.search:draw_importances",
    ),
    FigureKind(
        name="intermediate", reports=("search",),
        alt_text="The value of each candidate during its training",
        values="ablate.report.figure_values.search:intermediate_values",
        draw="ablate.report.figures.search:draw_intermediate",
    ),
    FigureKind(
        name="pareto", reports=("search",), main=2,
        alt_text="Validation error against cost, with the Pareto front",
        values="ablate.report.figure_values.search:pareto_values",
        draw="ablate.report.figures.search:draw_pareto",
    ),
)  # fmt: skip
CHOICES = tuple(dict.fromkeys(kind.name for kind in FIGURES if kind.choice != "always"))  # allowed in `figures:`
DEFAULTS = tuple(dict.fromkeys(kind.name for kind in FIGURES if kind.choice == "default"))
