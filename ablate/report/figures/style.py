"""The look of every figure: colours, markers, hatches, title, caption, badge, legend, and the bytes of a file.

A variant has one colour and one marker in all figures of a study. The colours are those of seaborn's "colorblind" palette;
the two that are too pale on white are replaced, and two are added. Markers, dashes and hatches repeat the information for
grey print. Texts are wrapped by their measured width, so a long title makes a figure taller and never exceeds the frame.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

INK, GREY = "#222222", "#5f5f5f"
PALETTE = (
    "#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#ca9161", "#332288", "#949494", "#882255", "#56b4e9",
    "#004949", "#924900",
)  # fmt: skip
MARKERS = "osD^vPX*<>h"
HATCHES = ("", "////", "xxxx", "----", "\\\\\\\\", "||||")
DASHED, DASH_DOT, DOTTED = (0, (4, 2)), (0, (6, 2, 1, 2)), (0, (1, 2))
TITLE, TEXT, SMALL, LEGEND = 11.0, 9.0, 7.5, 8.0  # points
EDGE = 0.08  # inches
WIDTHS = (6.4, 9.4, 12.0)  # inches: figures with one, two, and more columns of panels
STYLE: dict[str, Any] = {
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # included in matplotlib, so the same on every machine
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
    "svg.fonttype": "path",  # letters as outlines: a page looks the same with any installed fonts
    "svg.hashsalt": "ablate",
    "pdf.fonttype": 42,  # TrueType: journals refuse Type 3
}
METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
}

# Decorates every drawing function, so that importing this module does not change matplotlib's settings for other code.
styled = matplotlib.rc_context(STYLE)  # type: ignore[arg-type]


class Look(NamedTuple):
    """The colour and marker of one variant.

    Args:
        colour: Such as "#0173b2".
        marker: A marker of matplotlib.
    """

    colour: str
    marker: str


def look(index: int) -> Look:
    """The look of a variant. 132 looks differ; the first twelve differ in colour.

    Args:
        index: The number of the variant in its study, from 0.
    """
    return Look(PALETTE[index % len(PALETTE)], MARKERS[index % len(MARKERS)])


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
        figure.savefig(buffer, format=kind, metadata=METADATA[kind], bbox_inches="tight", pad_inches=0.1)
    return buffer.getvalue()


def open_canvas(
    title: str,
    caption: str,
    badge: str = "",
    *,
    width: float,
    body: float,
    legend: Sequence[Artist] = (),
    rows: int = 1,
    columns: int = 1,
    **options: Any,
) -> tuple[Figure, list[Axes]]:
    """A figure and its axes, row by row. Badge, title and caption are above the axes, the legend is below.

    Args:
        title: The title above the axes.
        caption: The text below the title, such as the setting and the number of seeds.
        badge: A warning in white on black above the title, such as another scale; empty for none.
        width: Of the figure, in inches.
        body: The height of the axes with their labels, in inches; the height of the texts is added.
        legend: The entries of the legend; empty for no legend.
        rows: The number of rows of axes.
        columns: The number of columns of axes.
        options: Passed to Figure.subplots.
    """
    figure = Figure(figsize=(width, body))
    header = _write_header(figure, title, caption, badge, width)
    footer = _write_legend(figure, legend, width)
    height = header + body + footer
    figure.set_size_inches(width, height)
    for text in figure.texts:  # their positions were set in inches from the top
        text.set_y(1 - text.get_position()[1] / height)
    figure.set_layout_engine("constrained", w_pad=0.06, rect=(0, footer / height, 1, body / height))
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, list(axes.ravel())


def open_panels(
    title: str, caption: str, badge: str, panels: int, legend: Sequence[Artist] = ()
) -> tuple[Figure, list[Axes]]:
    """A figure with several panels, and the axes of the panels in order.

    Args:
        title: The title above the axes.
        caption: The text below the title, such as the setting and the number of seeds.
        badge: A warning in white on black above the title, such as another scale; empty for none.
        panels: The number of panels, at least one; a row has at most three.
        legend: The entries of the legend; empty for no legend.
    """
    columns = panels if panels <= 2 else 2 if panels == 4 else 3
    rows = math.ceil(panels / columns)
    width = WIDTHS[min(columns, 3) - 1]
    figure, axes = open_canvas(
        title, caption, badge, width=width, body=3.4 * rows, legend=legend, rows=rows, columns=columns
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
    font = FontProperties(family="DejaVu Sans", size=size, weight=weight)
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]) / 72


def wrap_text(text: str, width: float, size: float, weight: str = "normal") -> list[str]:
    """The lines of a text. A word that is wider than a line is split.

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
            lines.append(word[:fits])
            word = word[fits:]
        line = word
    return [*lines, *filter(None, [line])]


def _letters_within(word: str, width: float, size: float, weight: str) -> int:
    """The number of letters of a word that fit into `width` inches, at least one. Uses bisection, for long words."""
    return max(1, bisect_right(range(len(word)), width, key=lambda n: text_width(word[:n], size, weight)) - 1)


def wrap_labels(labels: Iterable[str]) -> tuple[list[str], float]:
    """The labels of rows, with line breaks, and the width of their longest line in inches.

    Args:
        labels: Of the rows.
    """
    wrapped = ["\n".join(wrap_text(label, 3.0, TEXT)) for label in labels]
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
    """Write badge, title and caption, positioned in inches from the top; return their height in inches."""
    top, room = 0.04, width - 2 * EDGE
    blocks: list[tuple[str, float, str, dict[str, Any]]] = [
        (badge, LEGEND, "bold", {"color": "white", "bbox": {"boxstyle": "square,pad=0.4", "fc": INK, "ec": INK}}),
        (title, TITLE, "bold", {"color": INK}),
        (caption, SMALL, "normal", {"color": GREY}),
    ]
    for text, size, weight, options in blocks:
        pad = 0.4 * size / 72 if "bbox" in options else 0.0
        lines = wrap_text(text, room - 2 * pad, size, weight)
        if not lines:
            continue
        top += pad
        figure.text(
            (EDGE + pad) / width,
            top,
            "\n".join(lines),
            fontsize=size,
            fontweight=weight,
            va="top",
            linespacing=1.25,
            **options,
        )
        top += 1.3 * size * len(lines) / 72 + pad + 0.04
    return top + 0.04


def _write_legend(figure: Figure, handles: Sequence[Artist], width: float) -> float:
    """Draw the legend at the bottom, in as many columns as fit, at most four; return its height in inches."""
    if not handles:
        return 0.0
    beside, between = 0.42, 0.25  # inches: the handle of an entry, the gap between two columns
    room = width - 2 * EDGE - beside
    for handle in handles:
        handle.set_label("\n".join(wrap_text(str(handle.get_label()), room, LEGEND)))
    labels = [str(handle.get_label()) for handle in handles]
    entry = beside + max(text_width(line, LEGEND) for label in labels for line in label.split("\n"))
    most = max(1, min(4, int((width - 2 * EDGE + between) / (entry + between))))
    rows = math.ceil(len(handles) / most)
    columns = math.ceil(len(handles) / rows)
    figure.legend(
        handles=list(handles), loc="lower center", bbox_to_anchor=(0.5, 0.0), ncols=columns, handlelength=2.2,
        labelspacing=0.45, columnspacing=between * 72 / LEGEND, borderpad=0.2, borderaxespad=0.0,
    )  # fmt: skip
    lines = max(label.count("\n") + 1 for label in labels)
    return rows * (lines * 1.17 + 0.25) * LEGEND / 72 + 0.1
