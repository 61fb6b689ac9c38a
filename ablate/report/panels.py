"""Summaries -> the panels of a figure, and the name each variant has in it, the same in every panel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

from ablate.report.summary import Summary
from ablate.study.study import Study

Panel = tuple[str, Sequence[Summary]]  # its title, empty for the only one, and what it shows


def data_panels(summaries: Sequence[Summary]) -> list[Panel]:
    """A panel a data set, in order, titled with it; one panel without a title if there is one data set."""
    titles = list(dict.fromkeys(summary.variant.data.title for summary in summaries))
    if len(titles) <= 1:
        return [("", list(summaries))]
    return [(title, [s for s in summaries if s.variant.data.title == title]) for title in titles]


def study_panels(study: Study, summaries: Sequence[Summary]) -> list[Panel]:
    """The panels that a study names, else one a data set; without the variants and panels that have no record."""
    shown = [summary for summary in summaries if summary.n]
    named = [(title, [s for s in shown if s.net in nets]) for title, nets in study.panels]
    return [(title, of_panel) for title, of_panel in named if of_panel] or data_panels(shown)


def panel_labels(panels: Sequence[Panel]) -> list[list[str]]:
    """A name a variant and panel: its network and those axes that vary within some panel. None is twice in a panel."""
    of_panels = [[summary.axes for summary in summaries] for _, summaries in panels]
    varying = {
        axis
        for of_panel in of_panels
        for axis in {axis for axes in of_panel for axis in axes}
        if len({repr(axes.get(axis)) for axes in of_panel}) > 1
    }
    return [_all_different([_named(summary, varying) for summary in summaries]) for _, summaries in panels]


def legend_names(panels: Sequence[Panel]) -> dict[str, str]:
    """What the legend says of each label, in the order of the colours: which seeds are missing or diverged."""
    notes: dict[str, list[str]] = {}
    for (title, summaries), labels in zip(panels, panel_labels(panels)):
        for label, summary in zip(labels, summaries):
            said = notes.setdefault(label, [])
            if note := missing_seeds(summary):
                said.append(f"{title}: {note}" if title and len(panels) > 1 else note)
    return {label: f"{label} ({'; '.join(said)})" if said else label for label, said in notes.items()}


def missing_seeds(summary: Summary) -> str:
    """ "2/3, 1 diverged"; empty if every planned seed has an error."""
    gaps = [] if summary.n == summary.planned else [f"{summary.n}/{summary.planned}"]
    gaps += [f"{len(summary.diverged)} diverged"] if summary.diverged else []
    return ", ".join(gaps)


def _named(summary: Summary, axes: Collection[str]) -> str:
    return replace(summary, axes={axis: value for axis, value in summary.axes.items() if axis in axes}).label


def _all_different(labels: Sequence[str]) -> list[str]:
    """The labels, a second one of a kind with a number."""
    seen: Counter[str] = Counter()
    different = []
    for label in labels:
        seen[label] += 1
        different.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return different
