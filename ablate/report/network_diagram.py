"""Turns a network's blueprint into a Diagram: its skeleton, and one block of each kind enlarged, as plain values.

Sources: WRN, figure 1 (the blocks) and table 1 (the groups).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, Union

from ablate.nets.activations import ACTIVATIONS
from ablate.nets.blueprint import (
    Activation,
    BatchNorm,
    Blueprint,
    Conv,
    Custom,
    Dropout,
    GlobalPool,
    GroupNorm,
    Layer,
    Linear,
    Pool,
    Repeat,
    Residual,
    Section,
    Shape,
    Subsample,
)
from ablate.nets.counts import NOTHING, count_sections
from ablate.nets.families import blueprint
from ablate.nets.notation import parse_architecture
from ablate.report.figures.diagram import BlockDiagram, Box, Diagram, RepeatedBoxes, SectionDiagram
from ablate.report.numbers import quantity

KINDS = 4  # the most kinds of blocks that are enlarged
FIGURE_1 = {"basic": "WRN-16-1", "bottleneck": "pre-ResNet-164", "basic-wide": "WRN-16-4"}
FIGURE_1 |= {"wide-dropout": "WRN-16-4-dropout0.3"}

PlainStage = tuple[Layer, ...]  # a stage of a network without blocks
BlockOrLayer = Union[Layer, PlainStage]
Occurrences = list[tuple[str, BlockOrLayer, int]]  # (section, block, how many) for each occurrence of a kind


def network_diagram(title: str, network: Blueprint) -> Diagram:
    """The skeleton of a network and its most frequent kinds of blocks, at most four, in the order in which they appear.

    Args:
        title: The title of the diagram.
        network: The blueprint of the network.
    """
    kinds = _kinds(network)
    letters = {signature: chr(ord("a") + i) for i, signature in enumerate(kinds)}
    stages, total = list[SectionDiagram](), NOTHING
    for section, (_, counts, shape) in zip(network.sections, count_sections(network)):
        boxes: list[Box] = []
        for part, times in _blocks_and_layers(section, _is_plain(network)):
            box = _tile(part, letters.get(_signature(part), ""))
            if boxes and boxes[-1]._replace(times=1) == box:
                times += boxes.pop().times
            boxes.append(box._replace(times=times))
        stages.append(SectionDiagram(section.name, _shape_text(shape), tuple(boxes)))
        total += counts
    caption = f"{quantity(total.parameters)} parameters, {quantity(total.multiply_adds)} multiply-adds"
    blocks = tuple(_block(letters[signature], found) for signature, found in kinds.items())
    return Diagram(title, caption, f"image, {_shape_text(network.input_shape)}", tuple(stages), blocks)


def figure_1_diagram() -> Diagram:
    """WRN's figure 1: four kinds of blocks, reduced to their convolutions and dropout."""
    blocks = []
    for letter, (title, name) in zip("abcd", FIGURE_1.items()):
        kinds = _kinds(blueprint(parse_architecture(name))).values()
        block = _block(letter, next(found for found in kinds if not _changes(found[0][1])))
        shown = [box for run in block.branch for box in run.boxes if box.kind in ("conv", "dropout")]
        branch = RepeatedBoxes(tuple(Box(box.kind, box.text.split(",")[0].split(" ")[0]) for box in shown))
        blocks.append(block._replace(title=title, remarks=(), branch=(branch,)))
    caption = "Before every convolution stand batch normalization and ReLU, which are left out here."
    return Diagram("", caption, "", (), tuple(blocks))


def _is_plain(network: Blueprint) -> bool:
    """Whether a network has no blocks. Its stages are then drawn like blocks."""
    layers = [layer for section in network.sections for layer in section.layers]
    inner = [layer.layer if isinstance(layer, Repeat) else layer for layer in layers]
    return not any(isinstance(layer, (Residual, Custom)) for layer in inner)


def _blocks_and_layers(section: Section, plain: bool) -> Iterator[tuple[BlockOrLayer, int]]:
    """The blocks and layers of a section, and how often each is repeated."""
    pairs = [(layer.layer, layer.times) if isinstance(layer, Repeat) else (layer, 1) for layer in section.layers]
    kinds = {type(layer) for layer, _ in pairs}
    if plain and Conv in kinds and Linear not in kinds:
        yield tuple(layer for layer, times in pairs for _ in range(times)), 1
    else:
        yield from ((layer, times) for layer, times in pairs if times)


def _kinds(network: Blueprint) -> dict[Any, Occurrences]:
    """Every kind of block, with its occurrences. Blocks that differ only in width, stride or survival are of one kind.

    Custom blocks of a study are not included, because their inside is not known.
    """
    kinds: dict[Any, Occurrences] = {}
    for section in network.sections:
        for part, times in _blocks_and_layers(section, _is_plain(network)):
            if isinstance(part, (Residual, tuple)):
                kinds.setdefault(_signature(part), []).append((section.name, part, times))
    if _is_plain(network):
        return dict(list(kinds.items())[:KINDS])

    frequent = sorted(kinds, key=lambda kind: -sum(times for *_, times in kinds[kind]))[:KINDS]
    return {kind: found for kind, found in kinds.items() if kind in frequent}


def _signature(part: BlockOrLayer) -> Any:
    """A value that is equal for blocks of one kind."""
    if isinstance(part, tuple):
        return tuple(map(_signature, part))
    if isinstance(part, Residual):
        return (*map(_signature, (part.shared, part.branch, part.shortcut, part.after)), _changes(part))
    box = _box((part,))
    return box.kind, box.text.split(",")[0]


def _changes(part: BlockOrLayer) -> bool:
    """Whether a block changes the shape of its input."""
    if not isinstance(part, Residual):
        return False
    convs = [layer for layer in part.branch if isinstance(layer, Conv)]
    return bool(convs) and (convs[0].in_channels != convs[-1].out_channels or any(conv.stride > 1 for conv in convs))


def _block(letter: str, found: Occurrences) -> BlockDiagram:
    """The diagram of a kind of block, from its occurrences."""
    stages = list(dict.fromkeys(name for name, *_ in found))
    blocks = [replace(part, survival=1.0) if isinstance(part, Residual) else part for _, part, _ in found]
    versions = list(dict.fromkeys(blocks))
    first, count = versions[0], sum(times for *_, times in found)
    if isinstance(first, tuple):
        narrowest = min(layer.out_channels for layer in first if isinstance(layer, Conv))
        return BlockDiagram(
            letter,
            ", ".join(stages),
            (),
            narrowest,
            False,
            _folded(_boxes([unit for unit in versions if isinstance(unit, tuple)])),
        )
    assert isinstance(first, Residual)
    title = "changes the shape" if _changes(first) else "keeps the shape"
    remarks = [f"{count} block{'s' * (count > 1)} in {', '.join(stages)}"]
    chances = [part.survival for _, part, _ in found if isinstance(part, Residual)]
    if min(chances) < 1:
        remarks.append(f"branch kept in training with p = {_range(f'{chance:.2f}' for chance in chances)}")
    narrowest = min((layer.out_channels for layer in first.branch if isinstance(layer, Conv)), default=16)
    paths = {
        path: _boxes([getattr(version, path) for version in versions]) for path in ("shared", "branch", "shortcut", "after")
    }
    return BlockDiagram(letter, title, tuple(remarks), narrowest, True, (RepeatedBoxes(paths.pop("branch")),), **paths)


def _folded(boxes: Sequence[Box]) -> tuple[RepeatedBoxes, ...]:
    """Boxes grouped into runs that each begin with a convolution or a pool; equal neighbours become one run."""
    units: list[list[Box]] = []
    for box in boxes:
        units.append([box]) if box.kind in ("conv", "pool") or not units else units[-1].append(box)
    return tuple(RepeatedBoxes(tuple(unit), len(list(alike))) for unit, alike in groupby(units))


def _boxes(versions: Sequence[Sequence[Layer]]) -> tuple[Box, ...]:
    """The boxes of one path through a block, from the same path in all its versions."""
    return tuple(map(_box, zip(*versions)))


def _box(versions: Sequence[Any]) -> Box:
    """The box of one layer. Numbers that differ between its versions are all listed."""

    def said(field: str) -> str:
        values = [getattr(version, field) for version in versions]
        return str(values[0]) if len(set(values)) == 1 else _listed(values)

    match versions[0]:
        case Conv(_, _, kernel):
            notes = [f"{said('groups')} groups"] if said("groups") != "1" else []
            notes += [f"stride {said('stride')}"] if said("stride") != "1" else []
            return Box("conv", f"conv{kernel}×{kernel}, {said('out_channels')}", ", ".join(notes))
        case BatchNorm():
            return Box("norm", "BN")
        case GroupNorm():
            return Box("norm", f"GN, {said('groups')} groups")
        case Activation(kind):
            return Box("activation", ACTIVATIONS[kind].words)
        case Dropout(rate):
            return Box("dropout", f"dropout {rate:g}")
        case Pool(kind, kernel):
            return Box("pool", f"{kind} pool {kernel}×{kernel}", f"stride {said('stride')}")
        case GlobalPool(kind):
            return Box("pool", f"global {kind} pool")
        case Linear():
            return Box("linear", f"linear, {said('out_features')}")
        case Subsample():
            return Box("subsample", "subsample", f"stride {said('stride')}, zero channels")
        case Custom(python, _, stride):
            notes = [f"{said('out_channels')} channels"] + ([f"stride {said('stride')}"] if said("stride") != "1" else [])
            return Box("custom", python, ", ".join(notes) if stride else "")
        case other:
            return Box("custom", type(other).__name__.lower())


def _tile(part: BlockOrLayer, letter: str) -> Box:
    """The box that represents a layer or a block in the skeleton: its convolutions, as in WRN's table 1."""
    if isinstance(part, (Residual, tuple)):
        layers = part.branch if isinstance(part, Residual) else part
        convs = [f"{layer.kernel}×{layer.kernel}, {layer.out_channels}" for layer in layers if isinstance(layer, Conv)]
        if len(convs) > 3:
            convs = [f"{len(list(alike))} × ({text})" for text, alike in groupby(convs)]
        text = " · ".join(convs) if len(convs) <= 3 else f"{len(convs)} convolutions"
        return Box("block", text, letter=letter)
    return _box((part,))._replace(letter=letter)


def _listed(values: Sequence[Any]) -> str:
    return " / ".join(map(str, values)) if len(values) <= 5 else f"{values[0]} to {values[-1]}"


def _range(texts: Iterator[str]) -> str:
    low_to_high = list(texts)
    return low_to_high[0] if len(set(low_to_high)) == 1 else f"{low_to_high[0]} to {low_to_high[-1]}"


def _shape_text(shape: Shape) -> str:
    return str(shape[0]) if shape[1:] == (1, 1) else " × ".join(map(str, shape))
