"""How the counts of a network grow with each axis, from networks that differ in one axis.

The counts are linear in l and in the number of blocks and quadratic in k, but only in the limit. conv1, the classifier,
batch norm, the 1x1 shortcuts and the smaller number of channels at the input of a group change the power law. Therefore
one exponent is given over all values, and another between the two largest.

Source: WRN, section 2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import linear_regression
from typing import Any, NamedTuple

from ablate.nets.architecture import format_block
from ablate.nets.counts import Counts
from ablate.report.numbers import is_number
from ablate.report.summary import Summary
from ablate.study.study import Variant

MEASURES = ("parameters", "multiply_adds", "activations")
GROWING = ("l", "N", "k", "cardinality", "base_width")  # and args.* of networks defined in Python


class GrowthPoint(NamedTuple):
    """The counts of a network that differs from the base in one axis. The base itself is a point of every axis.

    Args:
        axis: The axis, such as "k".
        value: The value of the axis.
        counts: Of the network.
    """

    axis: str
    value: float
    counts: Counts


class Exponent(NamedTuple):
    """The exponent a in count ~ value^a.

    Args:
        axis: The axis, such as "k".
        measure: The count: "parameters", "multiply_adds" or "activations".
        smallest: The smallest value of the axis.
        largest: The largest value of the axis.
        fitted: The exponent over all values, by least squares of the logarithms.
        last: The exponent between the two largest values.
    """

    axis: str
    measure: str
    smallest: float
    largest: float
    fitted: float
    last: float


def net_axes(variant: Variant) -> dict[str, Any]:
    """The value of every axis of a network, by name, with N and args.* included.

    A block of equal kernels is given as one kernel, because l is the number of its convolutions.
    """
    axes, block = variant.network, variant.architecture.block
    if len(set(block)) == 1:
        axes["block"] = format_block(block[:1])
    return axes


def _differing_axes(variant: Variant, base: Variant) -> list[str]:
    """The axes in which two networks differ. For networks of two families it is "family" only."""
    ours, theirs = net_axes(variant), net_axes(base)
    if ours["family"] != theirs["family"]:
        return ["family"]
    return [axis for axis in {**theirs, **ours} if ours.get(axis) != theirs.get(axis)]


def count_networks(summaries: Sequence[Summary], base: Variant) -> list[dict[str, Any]]:
    """One row per network as plain values: net, the axes in which it differs from the base, its numeric axes, its counts.

    Args:
        summaries: One per network.
        base: The network that the others are compared with, one of those of `summaries`.
    """
    axes = [net_axes(summary.variant) for summary in summaries]
    own = dict.fromkeys(axis for each in axes for axis in each if axis.startswith("args."))
    differing = {axis for summary in summaries for axis in _differing_axes(summary.variant, base)}
    columns = [*GROWING[:3], *(axis for axis in (*GROWING[3:], *own) if axis in differing)]
    shown = [axis for axis in columns if any(each.get(axis) is not None for each in axes)]
    return [
        {
            "net": summary.net,
            **summary.axes,
            "varied": "base" if summary.variant is base else ", ".join(_differing_axes(summary.variant, base)),
            **{axis: each.get(axis) for axis in shown},
            **{measure: getattr(summary.variant.counts, measure) for measure in MEASURES},
        }
        for summary, each in zip(summaries, axes)
    ]


def growth_points(variants: Sequence[Variant], base: Variant) -> list[GrowthPoint]:
    """The points of every numeric axis that is the only difference of some network from the base; values increase.

    Networks that lack one of the counts cannot be compared by ratios and are left out.

    Args:
        variants: The networks.
        base: The network that they are compared with.
    """
    found: dict[str, dict[float, GrowthPoint]] = {}
    reference = net_axes(base)
    for variant in variants:
        differing = _differing_axes(variant, base)
        if len(differing) != 1:
            continue
        (axis,) = differing
        values: tuple[Any, Any] = (reference.get(axis), net_axes(variant).get(axis))
        numeric = all(is_number(value) and 0 < value < math.inf for value in values)
        counted = all(getattr(each.counts, measure) for each in (base, variant) for measure in MEASURES)
        if (axis in GROWING or axis.startswith("args.")) and numeric and counted:
            for value, of in zip(values, (base, variant)):
                found.setdefault(axis, {})[value] = GrowthPoint(axis, value, of.counts)
    return [point for points in found.values() for _, point in sorted(points.items())]


def growth_exponents(points: Sequence[GrowthPoint]) -> list[Exponent]:
    """One exponent per axis and measure, in the order of the points.

    Args:
        points: As returned by growth_points().
    """
    exponents = []
    for axis in dict.fromkeys(point.axis for point in points):
        of_axis = [point for point in points if point.axis == axis]
        values = [math.log(point.value) for point in of_axis]
        for measure in MEASURES:
            counts = [math.log(getattr(point.counts, measure)) for point in of_axis]
            fitted = linear_regression(values, counts).slope
            last = (counts[-1] - counts[-2]) / (values[-1] - values[-2])
            ends = (of_axis[0].value, of_axis[-1].value)
            exponents.append(Exponent(axis, measure, *ends, round(fitted, 4), round(last, 4)))
    return exponents
