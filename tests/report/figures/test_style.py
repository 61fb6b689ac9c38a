"""The style that all figures share, and the figures that need no records: step times and rankings."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from report.figures.tidy import assert_tidy

from ablate.kinds.figures import FigureStyle
from ablate.report.figures.colours import KNOWN, MARKERS, PALETTE, look, look_numbers, looks
from ablate.report.figures.counted import StepTime, StepTimes, draw_step_times, time_labels
from ablate.report.figures.ranks import RankRanges, draw_critical_difference, draw_ranks
from ablate.report.figures.style import PAGE, drawn_in, open_canvas, text_width, to_bytes, wrap_text

THIN = StepTime("pre-ResNet-1001", "thin", 512.0, 4.92, 10_328_602)
WIDE = StepTime("WRN-40-4", "wide", 64.0, 4.53, 8_949_210)
LONG = "A title that goes on and on to say which networks were compared under which budget " * 3
NETS = ["WRN-28-2-B(3,3)", "WRN-40-2-B(3,1)", "WRN-22-2-B(3,1,3)", "WRN-40-2-B(1,3)"]
FOUR_RANKS = (dict(zip(NETS, (1, 2, 3, 4))), 1.5, (NETS[:2],))

DRAWINGS: dict[str, Callable[[str, str, str], Figure]] = {
    "bars": lambda *texts: draw_step_times(StepTimes([THIN, WIDE]), *texts),
    "a bar of a long name": lambda *texts: draw_step_times(StepTimes([WIDE._replace(label=LONG)]), *texts),
    "ranks": lambda *texts: draw_ranks(RankRanges(NETS * 3, [(1, 12)] * 12, range(1, 13)), *texts),
    "one rank": lambda *texts: draw_ranks(RankRanges([LONG], [(1, 1)], [1]), *texts),
    "differences": lambda *texts: draw_critical_difference(FOUR_RANKS, *texts),
    "differences of long names": lambda *texts: draw_critical_difference(({LONG: 1, "b": 2}, 9.0, []), *texts),
    "an empty canvas": lambda *texts: open_canvas(*texts, width=3.0, body=1.0)[0],
}


def fill(axis: Axes) -> list[str]:
    return [text.get_text() for text in axis.texts]


@pytest.mark.parametrize("name", DRAWINGS)
def test_no_text_overflows_or_overlaps(name: str) -> None:
    assert_tidy(DRAWINGS[name](LONG, LONG, "SMALL SCALE: not the paper's protocol"))


@pytest.mark.parametrize("name", DRAWINGS)
def test_the_badge_is_there_when_given(name: str) -> None:
    badge = "SMALL SCALE"
    assert [text.get_text() for text in DRAWINGS[name]("title", "", badge).texts] == ["title", badge]
    assert [text.get_text() for text in DRAWINGS[name]("title", "", "").texts] == ["title"]


def test_a_title_may_hold_dollars() -> None:
    figure = DRAWINGS["bars"](r"100% of $x_1 & \alpha", "", "")
    assert not figure.texts[0].get_parse_math()
    assert b"<svg" in to_bytes(figure, "svg")


@settings(deadline=None, max_examples=40)
@given(st.text("abcMW .,(", max_size=60), st.floats(0.3, 3.0))
def test_wrapped_lines_fit_and_lose_nothing(text: str, width: float) -> None:
    lines = wrap_text(text, width, 9)
    assert all(text_width(line, 9) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_words_stay_whole_where_they_fit() -> None:
    assert wrap_text("one two three", text_width("one two", 9) + 0.01, 9) == ["one two", "three"]
    assert wrap_text("8.95\u00a0M", 0.1, 9) != [] and wrap_text("", 1.0, 9) == []


def test_drawing_changes_nothing_for_others() -> None:
    before = dict(matplotlib.rcParams)
    to_bytes(DRAWINGS["bars"]("title", "caption", "badge"), "png")
    assert dict(matplotlib.rcParams) == before


def luminance(colour: str) -> float:
    parts = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return float(np.dot(parts, (0.2126, 0.7152, 0.0722)))


def test_looks_differ_and_are_dark_enough() -> None:
    count = len(PALETTE) * len(MARKERS)
    assert len({look(index) for index in range(count)}) == count == 144
    assert len({look(index).colour for index in range(12)}) == len({look(index).marker for index in range(12)}) == 12
    assert min(1.05 / (luminance(colour) + 0.05) for colour in PALETTE) > 3  # WCAG's contrast with white


@given(st.lists(st.text("WRNB(3,1)-", max_size=8), min_size=1, max_size=30, unique=True), st.randoms())
def test_a_look_is_chosen_by_the_names_and_not_by_their_order(names: list[str], random: Any) -> None:
    found = looks(names)
    assert len(set(found.values())) == len(names)
    assert len({one.colour for one in found.values()}) == min(12, len(names))
    random.shuffle(names)
    assert looks(names) == found


def test_a_network_or_block_has_its_colour_in_every_study() -> None:
    blocks = ["WRN-31-1-B(1,3,1)", "WRN-28-1-B(3,1)", "WRN-16-1-B(3,3)"]
    for others in ([], ["WRN-40-2-B(1,3)"], ["a", "b", "c", "NIN"]):
        assert look_numbers([*others, *blocks])["WRN-16-1-B(3,3)"] == KNOWN["B(3,3)"]
        assert look_numbers([*others, "WRN-28-10", "ResNet-1202"])["ResNet-1202"] == KNOWN["ResNet-1202"]
    twice = look_numbers(["WRN-16-1-B(3,3)", "WRN-16-2-B(3,3)"])  # one block, so the networks tell them apart
    assert len({PALETTE[number % 12] for number in twice.values()}) == 2


def test_the_papers_blocks_and_networks_have_different_colours() -> None:
    blocks = [slot for name, slot in KNOWN.items() if name.startswith("B(")]
    networks = [slot for name, slot in KNOWN.items() if not name.startswith("B(")]
    assert len(set(blocks)) == len(blocks) and len(set(networks)) == len(networks) <= 12


def test_same_figure_same_bytes() -> None:
    script = (
        "import sys, hashlib; from ablate.report.figures.counted import StepTime, StepTimes, draw_step_times\n"
        "from ablate.report.figures.style import to_bytes\n"
        "bars = [StepTime('a', 'thin', 3.0, 4.0, 10), StepTime('b', 'wide', 5.0, None, 20)]\n"
        "for kind in sys.argv[1:]:\n"
        "    made = to_bytes(draw_step_times(StepTimes(bars), 'title', 'caption'), kind)\n"
        "    print(hashlib.sha256(made).hexdigest())"
    )
    kinds = ("png", "svg", "pdf")
    bars = [StepTime("a", "thin", 3.0, 4.0, 10), StepTime("b", "wide", 5.0, None, 20)]
    here = [to_bytes(draw_step_times(StepTimes(bars), "title", "caption"), kind) for kind in kinds]
    line = [sys.executable, "-c", script, *kinds]
    environment = {**os.environ, "PYTHONHASHSEED": "7", "SOURCE_DATE_EPOCH": "1"}
    run = subprocess.run(line, check=True, capture_output=True, text=True, env=environment)
    assert run.stdout.split() == [hashlib.sha256(one).hexdigest() for one in here]


def test_fonts_are_in_the_files() -> None:
    for font, name in (("sans-serif", b"DejaVuSans"), ("serif", b"STIXGeneral")):
        with drawn_in(FigureStyle(font=font)):  # type: ignore[arg-type]
            figure = DRAWINGS["bars"]("title", "caption", "")
            pdf, svg = to_bytes(figure, "pdf"), to_bytes(figure, "svg")
        assert b"/FontFile2" in pdf and b"/Type3" not in pdf and b"CreationDate" not in pdf and name in pdf
        assert b"<text" not in svg and b"<dc:date>" not in svg


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_style_sets_the_width_of_every_figure_and_of_its_file(name: str) -> None:
    with drawn_in(FigureStyle(width=3.3, font="serif", title=False)):
        figure = DRAWINGS[name](LONG, LONG, "SMALL SCALE")
        assert_tidy(figure)
        pdf = to_bytes(figure, "pdf")
    assert figure.get_figwidth() == 3.3 and [text.get_text() for text in figure.texts] == ["SMALL SCALE"]
    width = float(re.findall(rb"/MediaBox \[ ?0 0 ([\d.]+)", pdf)[0])
    assert abs(width - 3.3 * 72) < 0.01
    assert DRAWINGS[name](LONG, LONG, "").get_figwidth() <= PAGE


def test_bars_are_as_long_as_their_times_and_errors_stand_beside_them() -> None:
    times = StepTimes([THIN, WIDE, WIDE._replace(label="huge", milliseconds=None, error=None)])
    figure = draw_step_times(times, "title", "caption")
    (axis,) = figure.axes
    assert [bar.get_width() for bar in axis.patches] == [512.0, 64.0, 0.0]  # type: ignore[attr-defined]
    assert fill(axis) == ["error 4.92%", "512 ms", "error 4.53%", "64.0 ms", "not measured"]
    assert "published" in axis.get_xlabel()
    thin, wide = axis.patches[:2]
    assert thin.get_hatch() != wide.get_hatch() and to_hex(thin.get_facecolor()) != to_hex(wide.get_facecolor())
    assert axis.get_xscale() == "linear" and axis.get_xlim()[0] == 0.0
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["thin", "wide"]
    FigureCanvasAgg(figure).draw()
    for one, other in pairwise(axis.texts[:2]):
        assert one.get_window_extent().x1 < other.get_window_extent().x0  # type: ignore[union-attr]


def test_times_far_apart_get_a_logarithmic_axis() -> None:
    axis = draw_step_times(StepTimes([THIN._replace(milliseconds=1400.0), WIDE], "WRN-40-4"), "title", "caption").axes[0]
    assert axis.get_xscale() == "log" and "log scale" in axis.get_xlabel() and "WRN-40-4" in axis.get_xlabel()
    ends = [bar.get_x() + bar.get_width() for bar in axis.patches]  # type: ignore[attr-defined]
    assert ends == [1400.0, 64.0] and axis.get_xlim()[0] == 32.0


@pytest.mark.parametrize(
    ("milliseconds", "reference", "label"),
    [
        (512.0, "", "512 ms"),
        (512.0, "WRN-40-4", "512 ms, 8×"),
        (1.234, "", "1.23 ms"),
        (1234.0, "WRN-40-4", "1,234 ms, 19×"),
    ],
)
def test_time_labels(milliseconds: float, reference: str, label: str) -> None:
    assert time_labels([THIN._replace(milliseconds=milliseconds), WIDE], reference)[0] == label


def test_a_row_of_the_ranks_is_a_variant() -> None:
    (axis,) = draw_ranks(RankRanges(["a", "b"], [(1, 1), (2, 3)], [1.0, 2.5]), "title", "caption").axes
    bars, points = axis.lines[::2], axis.lines[1::2]
    assert [list(bar.get_xdata()) for bar in bars] == [[0.7, 1.3], [1.7, 3.3]]
    assert [list(point.get_xdata()) for point in points] == [[1.0], [2.5]]
    assert bars[0].get_color() == PALETTE[0] != bars[1].get_color()  # that may be the best, and that may not
    assert [label.get_text() for label in axis.get_yticklabels()] == ["a", "b"]
    assert axis.get_ylim() == (1.5, -0.5)  # the first on top


def test_the_diagram_joins_what_is_not_told_apart() -> None:
    groups = [["a", "b", "c"], ["c", "d"]]
    ranks = ({"a": 1.2, "b": 2.0, "c": 2.9, "d": 3.9}, 1.75, groups)
    (axis,) = draw_critical_difference(ranks, "title", "caption").axes
    bars: list[Any] = [line for line in axis.lines if line.get_linewidth() > 3]
    (low, high), (second_low, second_high) = [bar.get_xdata() for bar in bars]
    assert low < 1.2 and 2.9 < high < 3.9 and 2.0 < second_low < 2.9 and second_high > 3.9
    assert bars[0].get_ydata()[0] != bars[1].get_ydata()[0]  # they share c, so they stand on two levels
    assert {"a 1.20", "d 3.90", "critical difference 1.75"} <= set(fill(axis))
    leaders = [line.get_xdata()[0] for line in axis.lines if len(line.get_xdata()) == 3]  # type: ignore[arg-type, index]
    assert sorted(leaders) == [1.2, 2.0, 2.9, 3.9]
