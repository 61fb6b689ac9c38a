"""The drawing of a network. One data unit is one point, so the boxes can be sized by the width of their text."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as Outline

from ablate.errors import RunError
from ablate.files import write_atomically
from ablate.kinds.figures import USUAL_STYLE
from ablate.report.figures.colours import INK
from ablate.report.figures.diagram import BlockDiagram, Box, Diagram
from ablate.report.figures.style import METADATA, drawn_in, text_width

# Fill and edge by kind of layer. Every box has a text, so the drawing is readable in grey, too.
COLOURS = {
    "conv": ("#cfe1f2", "#2b6a9e"),
    "norm": ("#fbecc2", "#b5860b"),
    "activation": ("#f8d4c2", "#bf5524"),
    "dropout": ("#ead9ee", "#8a5596"),
    "pool": ("#cdeadd", "#16815f"),
    "linear": ("#dedede", "#555555"),
    "subsample": ("#ffffff", "#777777"),
    "custom": ("#ffffff", INK),
    "block": ("#ffffff", "#2b6a9e"),
}
FLAT = ("norm", "activation")
HEIGHTS = {"norm": 14, "activation": 14, "dropout": 20, "words": 12, "fork": 0, "plus": 15, "end": 0}
GAPS = {"norm": 6, "activation": 6, "fork": 7, "end": 20, "words": 22}
FIXED = ("fork", "words")  # gaps that are not stretched, so that forks and additions of neighbouring blocks are level
BOX, GAP, FRAME, STRETCH = 24, 15, 8, 1.7  # points: box, arrow, rim of a frame; largest factor of arrows
LARGE, TEXT, SMALL = 14.0, 9.0, 7.5  # points
REMARK, PANEL = "#666666", "#f5f5f5"
INPUT, OUTPUT = "$x_l$", "$x_{l{+}1}$"  # the only texts that are mathematics; a name may contain dollar signs
MARGIN, PAD, APART, CORNER = 22, 16, 40, 8


class _ColumnItem(NamedTuple):
    """One element of a column."""

    box: Box
    height: float  # in points
    gap: float  # above it, in points


def write_drawing(diagram: Diagram, path: Path) -> None:
    """Draw a diagram into a file; the bytes are the same each time.

    Args:
        diagram: The drawing's values.
        path: Ends in .svg, .png or .pdf.

    Raises:
        RunError: The path has another ending, or its folder does not exist.
    """
    check_path(path)
    kind, buffer = path.suffix.lower()[1:], io.BytesIO()
    with drawn_in(USUAL_STYLE), matplotlib.rc_context({"savefig.dpi": 300}):
        draw_diagram(diagram).savefig(buffer, format=kind, metadata=METADATA[kind])
    write_atomically(path, buffer.getvalue())


def check_path(path: Path) -> None:
    """Check that a drawing can be written to a path.

    Args:
        path: Ends in .svg, .png or .pdf.

    Raises:
        RunError: The path has another ending, or its folder does not exist.
    """
    if path.suffix.lower()[1:] not in METADATA:
        raise RunError(
            f"{path} is not the name of a drawing; use one that ends in {', '.join(f'.{kind}' for kind in METADATA)}"
        )
    if not path.parent.is_dir():
        raise RunError(f"{path.parent} is not a directory; create it, or use another path")


def draw_diagram(diagram: Diagram) -> Figure:
    """The figure of a diagram, as large as its contents."""
    figure = Figure(facecolor="white")
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set_axis_off()
    width, height = (_draw_network if diagram.stages else _draw_blocks)(axis, diagram)
    axis.set(xlim=(0, width), ylim=(height, 0))
    figure.set_size_inches(width / 72, height / 72)
    return figure


def _draw_network(axis: Axes, diagram: Diagram) -> tuple[float, float]:
    """Draw the skeleton at the left and a panel for each block at the right; return width and height in points."""
    _write(axis, MARGIN, 28, diagram.title, LARGE, weight="bold", ha="left")
    _write(axis, MARGIN, 46, diagram.caption, SMALL, color=REMARK, ha="left")
    skeleton, columns = _skeleton_column(diagram), [_block_column(block) for block in diagram.blocks]
    top, heading = 64.0, 38.0 + 11 * max((len(block.remarks) for block in diagram.blocks), default=0)
    area = max(_height(skeleton) + FRAME, *(_height(column) + heading + PAD for column in columns), 0)
    x = _draw_skeleton(axis, diagram, skeleton, MARGIN, top, area)
    room = area - heading - PAD
    tall = min(room, max((_height(column, STRETCH) for column in columns), default=0))
    stretch = min((_stretch(column, tall) for column in columns), default=1)
    for block, column in zip(diagram.blocks, columns):
        x += 12
        left, right = _extent(block)
        heads = [_text_width(block.title, TEXT, "bold") + 22, *(_text_width(remark, SMALL) for remark in block.remarks)]
        width = max(left + right, *heads) + 2 * PAD
        axis.add_patch(_rounded(x, top, width, area, 6, facecolor=PANEL, edgecolor="none"))
        _badge(axis, x + PAD + 7, top + 18, block.letter)
        _write(axis, x + PAD + 20, top + 18, block.title, TEXT, weight="bold", ha="left")
        for i, remark in enumerate(block.remarks):
            _write(axis, x + PAD, top + 34 + 11 * i, remark, SMALL, color=REMARK, ha="left")
        # Blocks share one height; stages of a plain network, which differ more, only share the top.
        length = tall if block.residual else _height(column, stretch)
        middle = x + (width - left - right) / 2 + left
        _draw_block(axis, block, column, middle, top + heading + (room - tall) / 2, length)
        x += width
    return max(
        x, MARGIN + _text_width(diagram.title, LARGE, "bold"), MARGIN + _text_width(diagram.caption, SMALL)
    ) + MARGIN, top + area + 22


def _draw_blocks(axis: Axes, diagram: Diagram) -> tuple[float, float]:
    """Draw the blocks side by side, with their titles below; return width and height in points."""
    columns = [_block_column(block) for block in diagram.blocks]
    x, top, tall = float(MARGIN), float(MARGIN), max(_height(column, 1.35) for column in columns)
    for block, column in zip(diagram.blocks, columns):
        left, right = _extent(block)
        _draw_block(axis, block, column, x + left, top, tall)
        _write(axis, x + left, top + tall + 20, f"({block.letter}) {block.title}", TEXT)
        x += left + right + APART
    _write(axis, (x - APART + MARGIN) / 2, top + tall + 44, diagram.caption, SMALL, color=REMARK)
    return x - APART + MARGIN, top + tall + 44 + MARGIN


def _item(box: Box, gap: float | None = None) -> _ColumnItem:
    """The element of a box, with the height and gap of its kind."""
    height = HEIGHTS.get(box.kind, BOX + (9 if box.note else 0))
    return _ColumnItem(box, height, GAPS.get(box.kind, GAP) if gap is None else gap)


def _block_column(block: BlockDiagram) -> list[_ColumnItem]:
    """The column of a block: its branch, and what is shared before and after it."""
    boxes = [box for run in block.branch for box in run.boxes]
    if not block.residual:
        return _opened([Box("end", ""), *boxes, Box("end", "")])
    inside = [*block.shared, Box("fork", ""), *boxes, Box("plus", ""), *block.after]
    return _opened([Box("words", INPUT), *inside, Box("words", OUTPUT)])


def _opened(boxes: Sequence[Box]) -> list[_ColumnItem]:
    """Boxes with their gaps. The arrow above a flat box is short, except after words, a fork, a plus or an end."""
    items = [_item(boxes[0], 0)]
    for before, box in pairwise(boxes):
        begins = box.kind in FLAT and before.kind in HEIGHTS and before.kind not in (*FLAT, "dropout")
        items.append(_item(box, GAP if begins else None))
    return items


def _skeleton_column(diagram: Diagram) -> list[_ColumnItem]:
    """The column of the skeleton, from the input image to the last layer."""
    items = [_item(Box("words", diagram.image), 0)]
    for stage in diagram.stages:
        items += [_item(box, GAP + FRAME if i == 0 else None) for i, box in enumerate(stage.boxes)]
    return items


def _height(column: Sequence[_ColumnItem], stretch: float = 1.0) -> float:
    """The height of a column in points, with its gaps stretched by a factor."""
    return sum(item.height + _gap(item, stretch) for item in column)


def _stretch(column: Sequence[_ColumnItem], height: float) -> float:
    """The factor for the gaps that makes a column this high."""
    return (height - _height(column, 0)) / (_height(column, 1) - _height(column, 0))


def _gap(item: _ColumnItem, stretch: float) -> float:
    """The gap above an element, in points. Gaps above forks and words are not stretched."""
    return item.gap if item.box.kind in FIXED else stretch * item.gap


def _draw_column(
    axis: Axes, column: Sequence[_ColumnItem], x: float, top: float, area: float, width: float
) -> list[tuple[float, float]]:
    """Draw a column with its gaps stretched to fill `area`; return the top and bottom of every element."""
    stretch = _stretch(column, area)
    y, spans = top, []
    for item in column:
        y += _gap(item, stretch)
        spans.append((y, y + item.height))
        y += item.height
        _draw_item(axis, item.box, x, spans[-1], width)
    for before, item, (_, start), (end, _) in zip(column, column[1:], spans, spans[1:]):
        plain = item.box.kind == "fork" or (item.box.kind in FLAT and item.gap < GAP)
        _line(axis, [(x, start + 2 * (before.box.kind == "words")), (x, end)], not plain)
    return spans


def _draw_item(axis: Axes, box: Box, x: float, span: tuple[float, float], width: float) -> None:
    """Draw one element of a column between two heights."""
    y = sum(span) / 2
    if box.kind == "words":
        _write(axis, x, y, box.text, 12 if box.text in (INPUT, OUTPUT) else TEXT)
    elif box.kind == "plus":
        axis.add_patch(Circle((x, y), 7, facecolor="white", edgecolor=INK, linewidth=1, zorder=3))
        for dx, dy in ((4, 0), (0, 4)):
            axis.plot([x - dx, x + dx], [y - dy, y + dy], color=INK, linewidth=1, zorder=4)
    elif box.kind not in ("fork", "end"):
        fill, edge = COLOURS[box.kind]
        patch = _rounded(x - width / 2, span[0], width, span[1] - span[0], 2.5, facecolor=fill, edgecolor=edge)
        axis.add_patch(patch)
        if box.letter:
            _badge(axis, x - width / 2 + 12, y, box.letter)
        middle = x + (8 if box.letter else 0)
        size = SMALL if box.kind in FLAT else TEXT
        _write(axis, middle, y - (5 if box.note else 0), box.text, size)
        if box.note:
            _write(axis, middle, y + 7, box.note, SMALL, color="#444444")


def _draw_block(axis: Axes, block: BlockDiagram, column: Sequence[_ColumnItem], x: float, top: float, area: float) -> None:
    """Draw the branch of a block as a column, and beside it the shortcut, if it has one."""
    width = _block_width(block)
    spans = _draw_column(axis, column, x, top, area, width)
    first = next(i for i, item in enumerate(column) if item.box.kind in ("fork", "end")) + 1
    for run in block.branch:
        last = first + len(run.boxes) - 1
        if run.times > 1:
            _bracket(axis, x + width / 2 + 6, spans[first][0], spans[last][1], f"× {run.times}")
        first = last + 1
    if not block.residual:
        return
    fork, plus = (sum(spans[[item.box.kind for item in column].index(kind)]) / 2 for kind in ("fork", "plus"))
    beside = _shortcut_width(block)
    aside = x + width / 2 + PAD + beside / 2
    items = _opened([Box("end", ""), *block.shortcut])[1:]
    y = (fork + plus - sum(item.height + item.gap for item in items) + (items[0].gap if items else 0)) / 2
    start = [(x, fork), (aside, fork)]
    for i, item in enumerate(items):
        y += item.gap if i else 0
        _draw_item(axis, item.box, aside, (y, y + item.height), beside)
        _line(axis, [*start, (aside, y)], item.box.kind not in FLAT)
        y += item.height
        start = [(aside, y)]
    _line(axis, [*start, (aside, plus), (x + 7, plus)], True)


def _draw_skeleton(axis: Axes, diagram: Diagram, column: Sequence[_ColumnItem], x: float, top: float, area: float) -> float:
    """Draw the skeleton with the names and shapes of its sections; return the x of its right edge with a margin."""
    names = max(max(_text_width(stage.name, TEXT, "bold"), _text_width(stage.output, SMALL)) for stage in diagram.stages)
    boxes = [box for stage in diagram.stages for box in stage.boxes]
    width = max(
        max(_text_width(box.text, TEXT), _text_width(box.note, SMALL)) + (36 if box.letter else 20) for box in boxes
    )
    times = max(_text_width(f"× {box.times}", TEXT) for box in boxes) + 8 if any(box.times > 1 for box in boxes) else 0
    width = max(width, _text_width(diagram.image, TEXT) - 16)
    left = x + names + 14
    middle = left + 8 + width / 2
    length = min(area - FRAME, _height(column, 2 * STRETCH))
    spans = iter(_draw_column(axis, column, middle, top + (area - FRAME - length) / 2, length, width)[1:])
    for stage in diagram.stages:
        inside = [next(spans) for _ in stage.boxes]
        start, end = inside[0][0] - FRAME, inside[-1][1] + FRAME
        frame = _rounded(left, start, width + 16 + times, end - start, 6, facecolor=PANEL, edgecolor="none")
        axis.add_patch(frame)
        _write(axis, left - 12, (start + end) / 2 - 6, stage.name, TEXT, weight="bold", ha="right")
        _write(axis, left - 12, (start + end) / 2 + 6, stage.output, SMALL, color=REMARK, ha="right")
        for box, span in zip(stage.boxes, inside):
            if box.times > 1:
                _write(axis, middle + width / 2 + 8, sum(span) / 2, f"× {box.times}", TEXT, ha="left")
    return left + width + 16 + times + 10


def _block_width(block: BlockDiagram) -> float:
    """The width of a block's boxes in points: wider for more channels, and at least as wide as their text."""
    boxes = [*block.shared, *(box for run in block.branch for box in run.boxes), *block.after]
    text = max(max(_text_width(box.text, TEXT), _text_width(box.note, SMALL)) for box in boxes) + 18
    return max(text, min(150, 74 * (1 + 0.28 * math.log2(max(1, block.channels / 16)))))


def _shortcut_width(block: BlockDiagram) -> float:
    """The width of the boxes on a block's shortcut, in points; 0 for the identity."""
    return max((max(_text_width(box.text, TEXT), _text_width(box.note, SMALL)) + 14 for box in block.shortcut), default=0)


def _extent(block: BlockDiagram) -> tuple[float, float]:
    """The distances from the middle of a block's branch to its left and right edges, in points."""
    half = _block_width(block) / 2
    if block.residual:
        return half, half + PAD + _shortcut_width(block)
    return half, half + (34 if any(run.times > 1 for run in block.branch) else 0)


def _rounded(x: float, y: float, width: float, height: float, radius: float, **look: Any) -> FancyBboxPatch:
    """A rectangle with rounded corners."""
    look = {"linewidth": 0.9, "zorder": 3 if look["edgecolor"] != "none" else 0, **look}
    return FancyBboxPatch((x, y), width, height, boxstyle=f"round,pad=0,rounding_size={radius}", **look)


def _line(axis: Axes, points: Sequence[tuple[float, float]], arrow: bool) -> None:
    """Draw a line through points with rounded corners, with or without an arrowhead."""
    vertices, codes = [points[0]], [Outline.MOVETO]
    for (a, b), (c, d), (e, f) in zip(points, points[1:], points[2:]):
        for corner in ((c + _toward(a - c), d + _toward(b - d)), (c, d), (c + _toward(e - c), d + _toward(f - d))):
            vertices.append(corner)
        codes += [Outline.LINETO, Outline.CURVE3, Outline.CURVE3]
    path = Outline(np.array([*vertices, points[-1]]), [*codes, Outline.LINETO])
    style = "-|>,head_length=4.5,head_width=2.2" if arrow else "-"
    look: dict[str, Any] = {"joinstyle": "miter", "capstyle": "butt", "color": INK, "linewidth": 1, "zorder": 2}
    axis.add_patch(FancyArrowPatch(path=path, arrowstyle=style, shrinkA=0, shrinkB=0, mutation_scale=1, **look))


def _toward(distance: float) -> float:
    """The signed distance from a corner at which its rounding begins."""
    return math.copysign(min(CORNER, abs(distance)), distance)


def _bracket(axis: Axes, x: float, top: float, bottom: float, text: str) -> None:
    """Draw a bracket at the right of repeated boxes, with a text beside it."""
    axis.plot([x, x + 4, x + 4, x], [top, top, bottom, bottom], color=INK, linewidth=0.9)
    _write(axis, x + 8, (top + bottom) / 2, text, TEXT, ha="left")


def _badge(axis: Axes, x: float, y: float, letter: str) -> None:
    """Draw the letter of a block on a dark disc."""
    axis.add_patch(Circle((x, y), 6.5, facecolor=INK, edgecolor="none", zorder=4))
    _write(axis, x, y, letter, SMALL, color="white", weight="bold")


def _write(axis: Axes, x: float, y: float, text: str, size: float, **look: Any) -> None:
    """Write text with the middle of its lower-case letters at the height y, so that texts in boxes are level."""
    look = {"color": INK, "ha": "center", "zorder": 5, **look}
    formula = text in (INPUT, OUTPUT)
    axis.text(x, y + 0.36 * size, text, size=size, va="baseline", math_fontfamily="cm", parse_math=formula, **look)


def _text_width(text: str, size: float, weight: str = "normal") -> float:
    """The width of a text in points."""
    return 72 * text_width(text, size, weight)
