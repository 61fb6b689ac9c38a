"""draw_figures(): the figures of a report, each drawn once, and each written once in every format."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from ablate.kinds.figures import FIGURES, USUAL_STYLE, FigureKind, FigureStyle, ReportKind

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "pdf")
PAGE_COLOURS, MOST_PIXELS = 64, 1_200_000  # of a figure that is embedded as pixels


class FigureInfo(NamedTuple):
    """The values and texts of one drawing.

    Args:
        values: What the drawing function of the kind of figure takes.
        title: The title above the axes.
        caption: The text below the title.
        number: Of the drawing, from 1, where a kind has several; 0 for the only one.
    """

    values: Any
    title: str
    caption: str
    number: int = 0


@dataclass(frozen=True)
class DrawnFigure:
    """A figure of a report.

    Args:
        alt_text: A description for readers who cannot see the figure.
        draw: Draws it, a figure of matplotlib.
        style: That it is drawn in.
        main: The figure of a report with the highest number stands with the finding at its top; 0: it never does.
        folded: Whether a page shows the figure on request only.
    """

    alt_text: str
    draw: Callable[[], Figure]
    style: FigureStyle = USUAL_STYLE
    main: int = 0
    folded: bool = False
    _written: dict[str, bytes] = field(default_factory=dict, repr=False)

    @cached_property
    def figure(self) -> Figure:
        """The drawing, made when it is first asked for, as a text needs none. It may be changed before it is written."""
        from ablate.report.figures.style import drawn_in

        with drawn_in(self.style):
            return self.draw()

    def rendered(self, format: str) -> bytes:
        """The bytes of the figure's file, rendered once.

        Args:
            format: One of FORMATS.
        """
        from ablate.report.figures.style import drawn_in, to_bytes

        # Always in the order of FORMATS: each rendering may move the layout by a fraction of a pixel.
        for each in FORMATS[: FORMATS.index(format) + 1]:
            if each not in self._written:
                with drawn_in(self.style):
                    self._written[each] = to_bytes(self.figure, each)
        return self._written[format]

    def embedded(self, largest: int) -> bytes:
        """The figure for a page: its SVG, or where that is larger than allowed, a lossless WebP of few colours.

        Args:
            largest: The most bytes of an SVG.
        """
        from PIL import Image

        svg = self.rendered("svg")
        if len(svg) <= largest:
            return svg
        if "webp" not in self._written:
            pixels = Image.open(io.BytesIO(self.rendered("png"))).convert("RGB")
            if pixels.width * pixels.height > MOST_PIXELS:  # still more than a screen shows at once
                pixels = pixels.resize((pixels.width * 3 // 4, pixels.height * 3 // 4), Image.Resampling.LANCZOS)
            written = io.BytesIO()
            pixels.quantize(PAGE_COLOURS).convert("RGB").save(written, "WEBP", lossless=True, quality=30, method=2)
            self._written["webp"] = written.getvalue()
        return self._written["webp"]


def draw_figures(analysis: Any, report: ReportKind, chosen: Sequence[str] = ()) -> dict[str, DrawnFigure]:
    """Every figure of a report by its name, in order.

    Args:
        analysis: The analysis that the report shows. It has a `badge` and a `study` with a `figure_style`; the functions of
            the table's entries read the rest.
        report: The kind of report.
        chosen: The names of the figures that a study lists, in its order.
    """
    decision, style = analysis.study.decision, analysis.study.figure_style
    found = {}
    for kind in figures_of(report, chosen):
        alt_text = kind.alt_text.format(measure=decision.words, Measure=decision.title)
        for info in _resolve(kind.values)(analysis):
            name = f"{kind.name}_{info.number}" if info.number else kind.name
            found[name] = DrawnFigure(alt_text, partial(_draw, kind, info, analysis.badge), style, kind.main, kind.folded)
    return found


def figures_of(report: ReportKind, chosen: Sequence[str] = ()) -> list[FigureKind]:
    """The kinds of figures that a report may have: the chosen ones, then those with the choice "always".

    Args:
        report: The kind of report.
        chosen: The names of the figures that a study lists, in its order. Names of other reports' figures are ignored.
    """
    kinds = {kind.name: kind for kind in FIGURES if report in kind.reports}
    return [
        *(kinds[name] for name in chosen if name in kinds),
        *(kind for kind in kinds.values() if kind.choice == "always"),
    ]


def is_figure(name: str) -> bool:
    """Whether some report has figures with this name, or with this name and a number.

    Args:
        name: Such as "curves" or "ranks_2".
    """
    return any(re.fullmatch(rf"{kind.name}(_\d+)?", name) for kind in FIGURES)


def _draw(kind: FigureKind, info: FigureInfo, badge: str) -> Figure:
    figure: Figure = _resolve(kind.draw)(info.values, info.title, info.caption, badge)
    return figure


def _resolve(place: str) -> Any:
    """The function at "module:function". It is imported here, because drawing imports matplotlib."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
