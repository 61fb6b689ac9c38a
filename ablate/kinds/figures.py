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
        name="curves",
        alt_text="Training curves: training loss above, {measure} below",
        reports=("trained",),
        choice="default",
        values="ablate.report.figure_values.curves:curve_values",
        draw="ablate.report.figures.curves:draw_curves",
    ),
    FigureKind(
        name="train_test",
        alt_text="Training error and {measure} by epoch",
        reports=("trained",),
        choice="optional",
        values="ablate.report.figure_values.curves:train_test_values",
        draw="ablate.report.figures.curves:draw_train_test",
    ),
    FigureKind(
        name="errors",
        alt_text="{Measure} by variant, the best first: seeds and their median",
        reports=("trained", "program"),
        choice="default",
        values="ablate.report.figure_values.errors:error_values",
        draw="ablate.report.figures.errors:draw_errors",
        main=1,
    ),
    FigureKind(
        name="parameters",
        alt_text="{Measure} against parameters, with the Pareto front",
        reports=("trained",),
        choice="default",
        values="ablate.report.figure_values.errors:parameter_values",
        draw="ablate.report.figures.parameters:draw_parameters",
    ),
    FigureKind(
        name="ranks",
        alt_text="The ranks that each variant may have, given its seeds",
        reports=("trained", "program"),
        choice="default",
        values="ablate.report.figure_values.ranks:rank_values",
        draw="ablate.report.figures.ranks:draw_ranks",
    ),
    FigureKind(
        name="effects",
        alt_text="{Measure} by level of each factor, means over the other factors",
        reports=("trained", "program"),
        choice="default",
        values="ablate.report.figure_values.designs:main_effect_values",
        draw="ablate.report.figures.designs:draw_effects",
    ),
    FigureKind(
        name="interactions",
        alt_text="{Measure} by the levels of two factors together",
        reports=("trained", "program"),
        choice="default",
        values="ablate.report.figure_values.designs:interaction_values",
        draw="ablate.report.figures.designs:draw_interactions",
    ),
    FigureKind(
        name="critical_difference",
        alt_text="Average ranks over the data sets",
        reports=("trained",),
        values="ablate.report.figure_values.ranks:critical_difference_values",
        draw="ablate.report.figures.ranks:draw_critical_difference",
    ),
    FigureKind(
        name="class_errors",
        alt_text="Error of each class by variant",
        reports=("trained",),
        choice="default",
        values="ablate.report.figure_values.predictions:class_error_values",
        draw="ablate.report.figures.predictions:draw_class_errors",
        folded=True,
    ),
    FigureKind(
        name="confusion",
        alt_text="Which classes are predicted as which: the best variant, and its baseline",
        reports=("trained",),
        choice="default",
        values="ablate.report.figure_values.predictions:confusion_values",
        draw="ablate.report.figures.predictions:draw_matrices",
        folded=True,
    ),
    FigureKind(
        name="agreement",
        alt_text="How often the networks of two variants predict the same class",
        reports=("trained",),
        choice="default",
        values="ablate.report.figure_values.predictions:agreement_values",
        draw="ablate.report.figures.predictions:draw_matrices",
        folded=True,
    ),
    FigureKind(
        name="missed",
        alt_text="Images that every trained network predicts wrongly, with their true and their predicted class",
        reports=("trained",),
        choice="default",
        values="ablate.report.figure_values.predictions:missed_values",
        draw="ablate.report.figures.predictions:draw_contact_sheet",
        folded=True,
    ),
    FigureKind(
        name="curves",
        alt_text="Training curves: {measure}",
        reports=("program",),
        choice="default",
        values="ablate.report.figure_values.curves:seed_curve_values",
        draw="ablate.report.figures.curves:draw_curves",
    ),
    FigureKind(
        name="path",
        alt_text="The road map: {measure} from the base to the full method, a bar a step",
        reports=("trained", "program"),
        choice="default",
        values="ablate.report.figure_values.designs:path_values",
        draw="ablate.report.figures.designs:draw_path",
        main=2,
    ),
    FigureKind(
        name="scaling",
        alt_text="Counts against each axis, relative to the base",
        reports=("counted",),
        values="ablate.report.figure_values.counted:scaling_values",
        draw="ablate.report.figures.counted:draw_scaling",
        main=1,
    ),
    FigureKind(
        name="step_times",
        alt_text="Milliseconds of a training step, with the test error beside",
        reports=("counted",),
        values="ablate.report.figure_values.counted:step_time_values",
        draw="ablate.report.figures.counted:draw_step_times",
        main=1,
    ),
    FigureKind(
        name="objective",
        alt_text="{Measure} against each value that was searched",
        reports=("search",),
        values="ablate.report.figure_values.search:objective_values",
        draw="ablate.report.figures.objective:draw_objective",
        main=1,
    ),
    FigureKind(
        name="history",
        alt_text="{Measure} by candidate, and the best so far",
        reports=("search",),
        values="ablate.report.figure_values.search:history_values",
        draw="ablate.report.figures.search:draw_history",
    ),
    FigureKind(
        name="importances",
        alt_text="How much of the differences each parameter explains",
        reports=("search",),
        values="ablate.report.figure_values.search:importance_values",
        draw="ablate.report.figures.search:draw_importances",
    ),
    FigureKind(
        name="intermediate",
        alt_text="The value of each candidate during its training",
        reports=("search",),
        values="ablate.report.figure_values.search:intermediate_values",
        draw="ablate.report.figures.search:draw_intermediate",
    ),
    FigureKind(
        name="pareto",
        alt_text="Validation error against cost, with the Pareto front",
        reports=("search",),
        values="ablate.report.figure_values.search:pareto_values",
        draw="ablate.report.figures.search:draw_pareto",
        main=2,
    ),
)
CHOICES = tuple(dict.fromkeys(kind.name for kind in FIGURES if kind.choice != "always"))  # allowed in `figures:`
DEFAULTS = tuple(dict.fromkeys(kind.name for kind in FIGURES if kind.choice == "default"))
