"""The values of a network drawing: the skeleton of the network, and one block of each kind enlarged."""

from __future__ import annotations

from typing import NamedTuple


class Box(NamedTuple):
    """A layer; in the skeleton, a run of equal layers or blocks.

    Args:
        kind: "conv", "norm", "activation", "dropout", "pool", "linear", "subsample", "custom" or "block".
        text: The first line.
        note: A second line in smaller letters; empty for none.
        times: The number of repetitions.
        letter: Of the kind of block that is enlarged beside the skeleton; empty for none.
    """

    kind: str
    text: str
    note: str = ""
    times: int = 1
    letter: str = ""


class RepeatedBoxes(NamedTuple):
    """Boxes one after another, repeated as a whole.

    Args:
        boxes: In the order of the data flow.
        times: The number of repetitions.
    """

    boxes: tuple[Box, ...]
    times: int = 1


class BlockDiagram(NamedTuple):
    """One kind of block: after(shortcut(s) + branch(s)) with s = shared(x). If it is not residual, its branch alone.

    Args:
        letter: Refers to the block in the skeleton.
        title: Of the block.
        remarks: Lines that say where the block occurs, and how often.
        channels: Of the narrowest convolution.
        residual: Whether it has a shortcut and an addition.
        branch: The residual branch; all boxes of a block that is not residual.
        shared: Boxes before the branch and the shortcut divide.
        shortcut: Boxes of the shortcut; empty for the identity.
        after: Boxes after the addition.
    """

    letter: str
    title: str
    remarks: tuple[str, ...]
    channels: int
    residual: bool
    branch: tuple[RepeatedBoxes, ...]
    shared: tuple[Box, ...] = ()
    shortcut: tuple[Box, ...] = ()
    after: tuple[Box, ...] = ()


class SectionDiagram(NamedTuple):
    """A section of the network.

    Args:
        name: Of the section.
        output: The shape of its output, such as "16 × 32 × 32".
        boxes: Its layers and blocks, in the order of the data flow.
    """

    name: str
    output: str
    boxes: tuple[Box, ...]


class Diagram(NamedTuple):
    """One drawing: the skeleton of a network, and the blocks beside it.

    Args:
        title: Above the drawing; empty in figure 1.
        caption: A line of text, such as the counts of the network.
        image: The input with its shape; empty in figure 1.
        stages: The sections of the skeleton; empty in figure 1.
        blocks: The enlarged blocks.
    """

    title: str
    caption: str
    image: str
    stages: tuple[SectionDiagram, ...]
    blocks: tuple[BlockDiagram, ...]
