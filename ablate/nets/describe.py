"""A network as plain values, as `ablate show --json` prints them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ablate.nets.architecture import Architecture, DepthRule
from ablate.nets.blueprint import Conv, Custom, Detector, GlobalPool, Layer, Linear, Pool, Repeat, Residual, Shape
from ablate.nets.counts import NOTHING, count_sections
from ablate.nets.families import FAMILIES, IMAGENET, axes_of, blueprint, find_family
from ablate.nets.notation import depth_of, format_architecture, remark
from ablate.nets.options import OPTIONS


def describe_network(architecture: Architecture, rule: DepthRule, classes: int, input_shape: Shape) -> dict[str, Any]:
    """The family and axes of a network, both depths, totals and sections; counts as in ablate.nets.counts.

    Args:
        architecture: The network.
        rule: Depth convention of its name.
        classes: Number of classes.
        input_shape: (channels, height, width) of an image.

    Raises:
        NotationError: Images are too small for the network, or a user-defined module cannot be used.
    """
    sections = []
    total = NOTHING
    network = blueprint(architecture, classes, input_shape)
    layers = {section.name: _layers_text(section.layers) for section in network.sections}
    for name, counts, shape in count_sections(network):
        total += counts
        sections.append({"name": name, "output": list(shape), "layers": layers[name], **_plain(counts)})
    axes = axes_of(architecture)
    return {
        "net": format_architecture(architecture, rule),
        "family": axes.pop("family"),
        "source": find_family(architecture.family).source,
        "blocks_per_group": axes.pop("N"),
        "axes": axes,
        "remark": remark(architecture),
        "depth": depth_of(architecture, "convolutions"),
        "nominal_depth": depth_of(architecture, "nominal"),
        "classes": classes,
        "input_shape": list(input_shape),
        **_plain(total),
        "sections": sections,
    }


def describe_families() -> dict[str, Any]:
    """Every family with the form of its names and examples, and every option of a name: the grammar of the notation."""
    known = sorted((f for f in FAMILIES.values() if f.heads), key=lambda family: family.key.startswith(IMAGENET))
    return {
        "families": [
            {
                "family": family.key,
                "source": family.source,
                "form": family.form,
                "examples": list(family.examples),
                "axes": ["depth", *family.axes] if family.has_depth else list(family.axes),
            }
            for family in known
        ],
        "options": [{"option": option, "meaning": meaning, "axis": axis} for option, meaning, axis in OPTIONS],
    }


def _layers_text(layers: Iterable[Layer]) -> str:
    """The convolutions, pools and linear layers as a short text, blocks in brackets: "[3x3, 160; 3x3, 160] x 4"."""
    blocks: list[tuple[str, int]] = []
    for outer in layers:
        layer, times = (outer.layer, outer.times) if isinstance(outer, Repeat) else (outer, 1)
        text = f"[{_inside(layer)}]" if isinstance(layer, Residual) else _inside(layer)
        if text and times:
            if blocks and blocks[-1][0] == text:
                times += blocks.pop()[1]
            blocks.append((text, times))
    return "; ".join(text if times == 1 else f"{text} x {times}" for text, times in blocks)


def _inside(layer: Layer) -> str:
    """The text of one layer; of a residual block, its branch without the stride, which only a group's first block has."""
    match layer:
        case Conv(_, width, kernel, stride, groups):
            text = f"{kernel}x{kernel}, {width}" + (f", {groups} groups" if groups > 1 else "")
            return text + (f", stride {stride}" if stride > 1 else "")
        case Pool(kind, kernel, stride):
            return f"{kind} pool {kernel}x{kernel}, stride {stride}"
        case GlobalPool(kind):
            return f"global {kind} pool"
        case Linear(_, width):
            return f"linear, {width}"
        case Custom(python, width):
            return f"{python}, {width}"
        case Detector(classes):
            return f"detector, {classes}"
        case Residual():
            convs = (replace(inner, stride=1) if isinstance(inner, Conv) else inner for inner in layer.branch)
            return "; ".join(filter(None, map(_inside, convs)))
        case _:
            return ""


def _plain(counts: Any) -> dict[str, int]:
    """The counts as plain values, by the names that `ablate show --json` prints."""
    return {
        "parameters": counts.parameters,
        "multiply_adds": counts.multiply_adds,
        "activations": counts.activations,
        "weight_layers": counts.layers,
    }
