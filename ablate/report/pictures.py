"""Which figures a study has, each drawn from its report."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ablate.report.growth import net_axes
from ablate.report.panels import Panel, data_panels, panel_labels
from ablate.report.ranking import critical_difference
from ablate.report.setting import describe_setting
from ablate.study.plan import plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ablate.report.figures.curves import ImportedCurve
    from ablate.report.figures.step_times import StepTime
    from ablate.report.report import Report

ALT_TEXTS = {
    "curves": "Training curves: test error solid, training loss dashed",
    "train_test": "Training error and test error by epoch",
    "errors": "Test error by variant, a point a seed",
    "parameters": "Test error against parameters, with the Pareto front",
    "ranks": "How often each variant takes each rank with other seeds",
    "critical_difference": "Average ranks over the data sets",
    "scaling": "Counts against each axis, relative to the base",
    "step_times": "Milliseconds of a training step, with the test error beside",
}


def is_figure(name: str) -> bool:
    """Whether a report has figures of that name."""
    return any(name == key or re.fullmatch(rf"{key}_\d+", name) for key in ALT_TEXTS)


def alt_text(name: str) -> str:
    """What a figure shows, for those who cannot see it."""
    return ALT_TEXTS[re.sub(r"_\d+$", "", name)]


def draw_figures(report: Report) -> dict[str, Figure]:
    """Every figure of a report by its name."""
    return dict(_counted(report) if not report.study.seeds else _trained(report) if report.recorded else ())


def _counted(report: Report) -> Iterator[tuple[str, Figure]]:
    from ablate.report.figures.scaling import draw_growth
    from ablate.report.figures.step_times import draw_step_times

    title = report.study.title
    if report.growth_points:
        axes = net_axes(report.base)
        values = [f"{axis} = {plain(axes[axis])}" for axis in dict.fromkeys(point.axis for point in report.growth_points)]
        about = f"Networks for {report.study.data.title}. One axis at a time from {report.base.net}: {', '.join(values)}"
        yield "scaling", draw_growth(report.growth_points, report.base, title, about, report.badge)
    if bars := step_times(report):
        about = report.timing()
        reference = report.base.net if any(report.baselines) else ""
        yield "step_times", draw_step_times(bars, title, about, reference, report.badge)


def step_times(report: Report) -> list[StepTime]:
    """A bar a network, as it was timed; none without a probe."""
    from ablate.report.figures.step_times import StepTime

    bars = []
    for summary, probe in zip(report.summaries, report.timed):
        group = "thin" if summary.variant.architecture.k == 1 else "wide"
        milliseconds = probe.train_step_ms.median if probe else None
        error = report.published_error(summary)
        bars.append(StepTime(summary.net, group, milliseconds, error, summary.variant.counts.parameters))
    return bars if any(report.timed) else []


def _trained(report: Report) -> Iterator[tuple[str, Figure]]:
    from ablate.report.figures.curves import draw_curves, draw_train_test
    from ablate.report.figures.errors import draw_errors
    from ablate.report.figures.parameters import draw_parameters
    from ablate.report.figures.ranks import draw_critical_difference

    study, badge = report.study, report.badge
    shown = [summary for summary in report.summaries if summary.n]
    about = describe_setting(report.summaries, "; ")
    for name in study.figures:
        match name:
            case "curves":
                caption = f"{about}; median over seeds, each seed thin"
                yield name, draw_curves(_panels(report), study.title, caption, imported_curves(report), badge)
            case "train_test":
                yield name, draw_train_test(shown, study.title, f"{about}; median over seeds", badge)
            case "errors":
                baselines = [report.analysis.baseline(summary) for summary in shown]
                yield name, draw_errors(shown, study.title, about, baselines, badge)
            case "parameters":
                yield name, draw_parameters(shown, study.title, about, badge)
            case "ranks":
                yield from _ranks(report, about)
    panels = data_panels(report.summaries)
    errors = {
        title: {label: s.median for label, s in zip(labels, of_panel) if s.median is not None}
        for (title, of_panel), labels in zip(panels, panel_labels(panels))
    }
    if found := critical_difference(errors):
        ranks = found.average_ranks
        caption = f"Average rank over {found.data_sets} data sets; Friedman p {found.friedman_p:.2g}; Nemenyi, 5%"
        yield (
            "critical_difference",
            draw_critical_difference(
                list(ranks.values()), list(ranks), found.difference, found.groups, study.title, caption, badge
            ),
        )


def _ranks(report: Report, about: str) -> Iterator[tuple[str, Figure]]:
    from ablate.report.figures.ranks import draw_rank_stability

    for number, title in enumerate(report.analysis.titles, 1):
        found, summaries = report.analysis.stability(title), report.analysis.on(title)
        if found and len(summaries) > 2:
            alone = len(report.analysis.titles) == 1
            name = "ranks" if alone else f"ranks_{number}"
            caption = f"{about if alone else title}; {found.draws:,} bootstrap draws of the seeds"
            (labels,) = panel_labels([("", summaries)])
            yield (
                name,
                draw_rank_stability(
                    found.rank_probability,
                    labels,
                    f"{report.study.title}: the order with other seeds",
                    caption,
                    report.badge,
                ),
            )


def _panels(report: Report) -> list[Panel]:
    """The panels that the study names, else one a data set."""
    shown = [summary for summary in report.summaries if summary.n]
    named = [(title, [s for s in shown if s.net in nets]) for title, nets in report.study.panels]
    return [(title, summaries) for title, summaries in named if summaries] or data_panels(shown)


def imported_curves(report: Report) -> list[ImportedCurve]:
    """The authors' logs of networks that the report shows, each in the panel of its data set."""
    from ablate.report.figures.curves import ImportedCurve

    networks = [summary.variant.architecture.identity() for summary in report.summaries]
    times = Counter(log.label for log in report.analysis.imported)
    names = {
        log.id: f"{log.label} ({log.source})" if times[log.label] > 1 else log.label for log in report.analysis.imported
    }
    found = []
    for title, summaries in _panels(report):
        data = {summary.variant.data.stands_for for summary in summaries}
        shown = [s.variant.architecture.identity() for s in summaries] if report.study.panels else networks
        found += [
            ImportedCurve(names[log.id], log.epochs, title)
            for log in report.analysis.imported
            if log.data in data and log.network in shown
        ]
    return found
