"""The panels of a figure from summaries, and the label of each variant, which is the same in every panel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ablate.report.seeds import Seeds

Panel = tuple[str, Sequence[Any]]  # (title, empty for the only panel; the variants that it shows)


def data_panels(summaries: Sequence[Seeds[Any]]) -> list[Panel]:
    """A panel for each data set, in order, with the data set as its title; for one data set, one panel without a title."""
    titles = list(dict.fromkeys(summary.data_title for summary in summaries))
    if len(titles) <= 1:
        return [("", list(summaries))]
    return [(title, [s for s in summaries if s.data_title == title]) for title in titles]


def study_panels(study: Any, summaries: Sequence[Any]) -> list[Panel]:
    """The panels that a study names, else one for each data set. Variants and panels without a record are left out.

    Args:
        study: The study.
        summaries: Its variants.
    """
    shown = [summary for summary in summaries if summary.n]
    named = [(title, [s for s in shown if {s.net, s.variant.whole_name} & {*nets}]) for title, nets in study.panels]
    return [(title, of_panel) for title, of_panel in named if of_panel] or data_panels(shown)


def panel_labels(panels: Sequence[Panel]) -> list[list[str]]:
    """The label of each variant in each panel: its network, and the axes that vary within some panel.

    Within a panel all labels differ.

    Args:
        panels: The variants, grouped by panel.
    """
    of_panels = [[summary.label_axes for summary in summaries] for _, summaries in panels]
    varying = {
        axis
        for of_panel in of_panels
        for axis in {axis for axes in of_panel for axis in axes}
        if len({repr(axes.get(axis)) for axes in of_panel}) > 1
    }
    return [_all_different([summary.label_with(varying) for summary in summaries]) for _, summaries in panels]


def legend_names(panels: Sequence[Panel]) -> dict[str, str]:
    """The text of the legend by label, in the order of the colours. It says which seeds are missing or diverged.

    Args:
        panels: The variants, grouped by panel.
    """
    notes: dict[str, list[str]] = {}
    for (title, summaries), labels in zip(panels, panel_labels(panels)):
        for label, summary in zip(labels, summaries):
            said = notes.setdefault(label, [])
            if note := missing_seeds(summary):
                said.append(f"{title}: {note}" if title and len(panels) > 1 else note)
    return {label: f"{label} ({'; '.join(said)})" if said else label for label, said in notes.items()}


def missing_seeds(summary: Seeds[Any]) -> str:
    """Text such as "2/3, 1 diverged"; empty if every planned seed has an error."""
    gaps = [] if summary.n == summary.planned else [f"{summary.n}/{summary.planned}"]
    gaps += [f"{len(summary.diverged)} diverged"] if summary.diverged else []
    return ", ".join(gaps)


def _all_different(labels: Sequence[str]) -> list[str]:
    """The labels, with a number after each repeated one."""
    seen: Counter[str] = Counter()
    different = []
    for label in labels:
        seen[label] += 1
        different.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return different
