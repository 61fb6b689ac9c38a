"""The look of every figure: letters, widths, title, caption, badge, legend, and the bytes of a file.

A figure is as wide as it needs to be, at most a page, or as wide as the study's `figure_style` says; a file has exactly
that size. Texts are wrapped by their measured width, so a long title makes a figure taller and never exceeds the frame. No
text is parsed as mathematics, because names may contain dollar signs; the one drawing that has formulas asks for it.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache, wraps
from typing import Any, TypeVar

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from ablate.kinds.figures import USUAL_STYLE, FigureStyle
from ablate.report.figures.colours import GREY, INK

TITLE, TEXT, SMALL, LEGEND = 10.0, 8.0, 7.0, 7.5  # points
EDGE = 0.08  # inches
PAGE = 7.2  # inches: the widest figure
WIDTHS = (5.6, PAGE)  # inches: figures with one and two columns of panels
STYLE: dict[str, Any] = {
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "font.sans-serif": ["DejaVu Sans"],  # these are included in matplotlib, so the same on every machine
    "font.serif": ["STIXGeneral", "DejaVu Serif"],
    "font.size": TEXT,
    "text.color": INK,
    "text.parse_math": False,  # a title may contain dollar signs
    "axes.titlesize": TEXT,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#ebebeb",
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "legend.fontsize": LEGEND,
    "hatch.linewidth": 0.7,
    "lines.linewidth": 1.4,
    "path.simplify_threshold": 0.4,  # points: files of long trainings are a third as large, and look the same
    "svg.fonttype": "path",  # letters as outlines: a page looks the same with any installed fonts
    "svg.hashsalt": "ablate",
    "pdf.fonttype": 42,  # TrueType: journals refuse Type 3
}
METADATA: dict[str, dict[str, Any]] = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
_STYLE: ContextVar[FigureStyle] = ContextVar("style", default=USUAL_STYLE)  # of the report that is being drawn

F = TypeVar("F", bound=Callable[..., Any])


@contextmanager
def drawn_in(style: FigureStyle) -> Iterator[None]:
    """Within the context every figure is drawn and written in a style, and matplotlib's settings are those of STYLE."""
    token = _STYLE.set(style)
    try:
        with matplotlib.rc_context({**STYLE, "font.family": style.font}):  # type: ignore[dict-item]
            yield
    finally:
        _STYLE.reset(token)


def styled(draw: F) -> F:
    """A function that draws or writes a figure, in the style of the context. Other code keeps matplotlib's settings."""

    @wraps(draw)
    def in_style(*values: Any, **options: Any) -> Any:
        with drawn_in(_STYLE.get()):
            return draw(*values, **options)

    return in_style  # type: ignore[return-value]


@styled
def to_bytes(figure: Figure, kind: str) -> bytes:
    """The figure as the contents of a file; the bytes are the same each time.

    Args:
        figure: The figure.
        kind: "png", "svg" or "pdf".
    """
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a missing letter is drawn as a box
        figure.savefig(buffer, format=kind, metadata=METADATA[kind])
    if kind == "svg":  # a hundredth of a point is enough, and a third of the file less
        return re.sub(rb"(\.\d\d)\d+(?=[ \n])", rb"\1", buffer.getvalue())
    return buffer.getvalue()


def canvas_width(natural: float) -> float:
    """The width of a figure in inches: as the study's `figure_style` says, else its natural width, at most a page.

    Args:
        natural: The width that its contents ask for, in inches.
    """
    return _STYLE.get().width or min(natural, PAGE)


def open_canvas(
    *texts: str, width: float, body: float, legend: Sequence[Artist] = (), rows: int = 1, columns: int = 1, **options: Any
) -> tuple[Figure, list[Axes]]:
    """A figure and its axes, row by row. Title, caption and badge are above the axes, the legend is below.

    Args:
        texts: The title; the caption, such as the setting and the number of seeds; and the badge, a remark in small grey
            letters such as another scale. Any of them may be empty, the badge may be left out.
        width: Of the figure, in inches, as in canvas_width().
        body: The height of the axes with their labels, in inches; the height of the texts is added.
        legend: The entries of the legend; empty for no legend.
        rows: The number of rows of axes.
        columns: The number of columns of axes.
        options: Passed to Figure.subplots.
    """
    figure = open_figure(*texts, width=width, body=body, legend=legend)
    return figure, list(figure.subplots(rows, columns, squeeze=False, **options).ravel())


def open_figure(*texts: str, width: float, body: float, legend: Sequence[Artist] = ()) -> Figure:
    """A figure without axes. Those that are added fill the room between the texts above and the legend below.

    Args:
        texts: As in open_canvas(), like the others.
        width: Of the figure.
        body: The height of the axes.
        legend: The entries.
    """
    width, (title, caption, *badge) = canvas_width(width), texts
    figure = Figure(figsize=(width, body))
    header = _write_header(figure, *((title, caption) if _STYLE.get().title else ("", "")), "".join(badge), width)
    footer = _write_legend(figure, legend, width)
    height = header + body + footer
    figure.set_size_inches(width, height)
    for text in figure.texts:  # their positions were set in inches from the top
        text.set_y(1 - text.get_position()[1] / height)
    figure.set_layout_engine("constrained", w_pad=0.06, rect=(0, footer / height, 1, body / height))
    return figure


def open_panels(*texts: str, panels: int, legend: Sequence[Artist] = (), height: float = 3.0) -> tuple[Figure, list[Axes]]:
    """A figure with several panels, and the axes of the panels in order.

    Args:
        texts: As in open_canvas().
        panels: The number of panels, at least one; a row has at most two.
        legend: The entries of the legend; empty for no legend.
        height: Of a panel with its labels, in inches.
    """
    columns = min(panels, 2 if canvas_width(PAGE) > 5 else 1)
    rows = math.ceil(panels / columns)
    figure, axes = open_canvas(
        *texts, width=WIDTHS[columns - 1], body=height * rows, legend=legend, rows=rows, columns=columns
    )
    for spare in axes[panels:]:
        spare.remove()
    return figure, axes[:panels]


def text_width(text: str, size: float, weight: str = "normal") -> float:
    """The width of a line of text in inches.

    Args:
        text: One line.
        size: Of the letters, in points.
        weight: "normal" or "bold".
    """
    return _text_width(text, size, weight, _STYLE.get().font)


@lru_cache(maxsize=4096)
def _text_width(text: str, size: float, weight: str, family: str) -> float:
    """The width of a line of text in inches, in one of the two fonts."""
    font = FontProperties(family=STYLE[f"font.{family}"], size=size, weight=weight)
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]) / 72


def wrap_text(text: str, width: float, size: float, weight: str = "normal") -> list[str]:
    """The lines of a text. A word that is wider than a line is split, after a hyphen if it has one.

    Args:
        text: Words separated by white space; a no-break space does not separate words.
        width: The largest width of a line, in inches.
        size: Of the letters, in points.
        weight: "normal" or "bold".
    """
    lines: list[str] = []
    line = ""
    for word in re.split(r"[ \t\r\n]+", text.strip()):  # not at no-break spaces
        longer = f"{line} {word}" if line else word
        if text_width(longer, size, weight) <= width:
            line = longer
            continue
        lines += [line] if line else []
        while len(word) > 1 and text_width(word, size, weight) > width:
            fits = _letters_within(word, width, size, weight)
            fits = word.rfind("-", 1, fits) + 1 or fits  # after a hyphen, if there is one
            lines.append(word[:fits])
            word = word[fits:]
        line = word
    return [*lines, *filter(None, [line])]


def _letters_within(word: str, width: float, size: float, weight: str) -> int:
    """The number of letters of a word that fit into `width` inches, at least one. Uses bisection, for long words."""
    return max(1, bisect_right(range(len(word)), width, key=lambda n: text_width(word[:n], size, weight)) - 1)


def wrap_labels(labels: Iterable[str]) -> tuple[list[str], float]:
    """The labels of rows, with line breaks, and the width of their longest line in inches."""
    most = min(3.0, 0.4 * canvas_width(PAGE))
    wrapped = ["\n".join(wrap_text(label, most, TEXT)) for label in labels]
    return wrapped, max((text_width(line, TEXT) for label in wrapped for line in label.split("\n")), default=0.0)


def set_row_axis(axis: Axes, labels: Sequence[str]) -> None:
    """Set a vertical axis with one row for each label, the first at the top, without ticks and grid.

    Args:
        axis: The axes.
        labels: Of the rows.
    """
    axis.set_yticks(range(len(labels)), labels)
    axis.set_ylim(len(labels) - 0.4, -0.6)
    axis.grid(False, axis="y")
    axis.tick_params(axis="y", length=0)


def _write_header(figure: Figure, title: str, caption: str, badge: str, width: float) -> float:
    """Write title, caption and badge, positioned in inches from the top; return their height in inches."""
    finding, _, setting = caption.rpartition("\n")  # what is found is darker than how it was found
    top, room = 0.04, 0.97 * (width - 2 * EDGE)  # letters on pixels are a little wider than their outlines
    blocks: list[tuple[str, float, str, str]] = [
        (title, TITLE, "bold", INK),
        (finding, SMALL, "normal", INK),
        (setting, SMALL, "normal", GREY),
        (badge, SMALL, "normal", "#767676"),
    ]
    for text, size, weight, colour in blocks:
        lines = wrap_text(text, room, size, weight)
        if not lines:
            continue
        figure.text(
            EDGE / width, top, "\n".join(lines), fontsize=size, fontweight=weight, color=colour, va="top", linespacing=1.25
        )
        top += 1.3 * size * len(lines) / 72 + 0.04
    return top + 0.04


def _write_legend(figure: Figure, handles: Sequence[Artist], width: float) -> float:
    """Draw the legend at the bottom, in as few rows as fit; return its height in inches."""
    if not handles:
        return 0.0
    beside, between = 0.4, 0.22  # inches: the handle of an entry, the gap between two columns
    room = width - 2 * EDGE
    for handle in handles:
        handle.set_label("\n".join(wrap_text(str(handle.get_label()), room - beside, LEGEND)))
    labels = [str(handle.get_label()) for handle in handles]
    entries = [beside + max(text_width(line, LEGEND) for line in label.split("\n")) for label in labels]
    for rows in range(1, len(handles) + 1):  # a column is filled before the next one begins
        columns = math.ceil(len(handles) / rows)
        widest = [column.max() for column in np.array_split(entries, columns)]
        if sum(widest) + between * (columns - 1) <= room:
            break
    figure.legend(
        handles=list(handles), loc="lower center", bbox_to_anchor=(0.5, 0.0), ncols=columns, handlelength=2.0,
        labelspacing=0.45, columnspacing=between * 72 / LEGEND, borderpad=0.2, borderaxespad=0.0,
    )  # fmt: skip
    lines = max(label.count("\n") + 1 for label in labels)
    return rows * (lines * 1.17 + 0.25) * LEGEND / 72 + 0.1
