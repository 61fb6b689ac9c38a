"""A network in plain values, as `ablate show --json` prints them."""

from __future__ import annotations

from typing import Any

from ablate.nets.blueprint import NOTHING, Shape, count_sections
from ablate.nets.notation import Architecture, DepthRule, depth_of, format_architecture, format_block
from ablate.nets.wide_resnet import wide_resnet


def describe_network(architecture: Architecture, rule: DepthRule, classes: int, input_shape: Shape) -> dict[str, Any]:
    """Its axes, both depths, totals and sections; counts as in ablate.nets.blueprint."""
    sections = []
    total = NOTHING
    for name, counts, shape in count_sections(wide_resnet(architecture, classes, input_shape)):
        total += counts
        sections.append({"name": name, "output": list(shape), **counts._asdict()})
    return {
        "net": format_architecture(architecture, rule),
        "family": architecture.family,
        "blocks_per_group": architecture.N,
        "block": format_block(architecture.block),
        "l": architecture.l,
        "k": architecture.k,
        "dropout": architecture.dropout,
        "depth": depth_of(architecture, "convolutions"),
        "nominal_depth": depth_of(architecture, "nominal"),
        "classes": classes,
        "input_shape": list(input_shape),
        **total._asdict(),
        "sections": sections,
    }
