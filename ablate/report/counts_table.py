"""The tables of a study without seeds: the counts of its networks, and how the counts grow with an axis."""

from __future__ import annotations

from typing import Any

from ablate.report.analysis import StudyAnalysis
from ablate.report.numbers import blocks_text, quantity, two_decimals
from ablate.report.table import Cell, Column, Table, make_table, number, words
from ablate.study.axis_text import plain

MEASURE_TITLES = {"parameters": "Parameters", "multiply_adds": "Mult-adds", "activations": "Activations"}
TITLES = {
    "net": "Network", "varied": "Varied", **MEASURE_TITLES, "step_ms": "Step, ms", "published_error": "Published error, %",
}  # fmt: skip
TEXTS = ("net", "varied")
WRITTEN = {"parameters": "{:,}".format, "multiply_adds": quantity, "activations": quantity, "step_ms": "{:,.1f}".format}


def counts_table(analysis: StudyAnalysis) -> Table:
    """One row per network: its axes, its counts, and the time of a training step where it was measured.

    Args:
        analysis: The analysis of a study without seeds.
    """
    networks = analysis.networks
    columns = [Column(TITLES.get(key, key), key not in TEXTS) for key in networks[0]]
    rows = [[_cell(key, value) for key, value in network.items()] for network in networks]
    return make_table(columns, rows, analysis.study.name, _counts_caption(analysis))


def _cell(key: str, value: Any) -> Cell:
    if key in TEXTS:
        return words(plain(value))
    if key == "N":
        return blocks_cell(value)
    return number(value, WRITTEN.get(key, plain))


def blocks_cell(blocks: int | tuple[int, ...] | None) -> Cell:
    """The cell of N, sorted by the blocks of the first group; a dash for a network without groups.

    Args:
        blocks: The blocks per group: one number if all groups are equal; None for a network without groups.
    """
    return Cell(blocks[0] if isinstance(blocks, (tuple, list)) else blocks, blocks_text(blocks))


def _counts_caption(analysis: StudyAnalysis) -> str:
    data = analysis.study.data
    step = f" Step: {analysis.timing()}." if any(analysis.timed) else ""
    shape = "x".join(map(str, data.input_shape))
    return (
        f"Networks for {data.title}: {data.classes} classes, input {shape}. Nothing is trained. Mult-adds and "
        f"activations: one forward pass of one image through convolutions and linear layers.{step}"
    )


def growth_table(analysis: StudyAnalysis) -> Table:
    """One row per axis and count: the exponent over all values of the axis, and between the two largest values.

    Args:
        analysis: The analysis of a study without seeds.
    """
    columns = [Column("Axis", False), Column("Count", False), *map(Column, ("From", "To", "Exponent", "Two largest"))]
    rows = [
        [
            words(one.axis),
            words(MEASURE_TITLES[one.measure]),
            number(one.smallest, plain),
            number(one.largest, plain),
            number(one.fitted, two_decimals),
            number(one.last, two_decimals),
        ]
        for one in analysis.growth
    ]
    caption = (
        f"How counts grow with one axis, the others as in {analysis.base.net}: count ~ axis^exponent, by least squares of "
        "the logarithms over all values, and between the two largest."
    )
    return make_table(columns, rows, f"{analysis.study.name}_growth", caption, title="Growth")
