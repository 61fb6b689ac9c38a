"""The values of a network drawing: the skeleton of the network, and one block of each kind enlarged."""

from __future__ import annotations

from typing import NamedTuple


class Box(NamedTuple):
    """A layer; in the skeleton, a run of equal layers or blocks.

    Args:
        kind: "conv", "norm", "activation", "dropout", "pool", "linear", "subsample", "custom" or "block".
        text: the first line.
        note: a second line in smaller letters; empty for none.
        times: the number of repetitions.
        letter: of the kind of block that is enlarged beside the skeleton; empty for none.
    """

    kind: str
    text: str
    note: str = ""
    times: int = 1
    letter: str = ""


class RepeatedBoxes(NamedTuple):
    """Boxes one after another, repeated as a whole.

    Args:
        boxes: in the order of the data flow.
        times: the number of repetitions.
    """

    boxes: tuple[Box, ...]
    times: int = 1


class BlockDiagram(NamedTuple):
    """One kind of block: after(shortcut(s) + branch(s)) with s = shared(x). If it is not residual, its branch alone.

    Args:
        letter: refers to the block in the skeleton.
        title: of the block.
        remarks: lines that say where the block occurs, and how often.
        channels: of the narrowest convolution.
        residual: whether it has a shortcut and an addition.
        branch: the residual branch; all boxes of a block that is not residual.
        shared: boxes before the branch and the shortcut divide.
        shortcut: boxes of the shortcut; empty for the identity.
        after: boxes after the addition.
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
        name: of the section.
        output: the shape of its output, such as "16 × 32 × 32".
        boxes: its layers and blocks, in the order of the data flow.
    """

    name: str
    output: str
    boxes: tuple[Box, ...]


class Diagram(NamedTuple):
    """One drawing: the skeleton of a network, and the blocks beside it.

    Args:
        title: above the drawing; empty in figure 1.
        caption: a line of text, such as the counts of the network.
        image: the input with its shape; empty in figure 1.
        stages: the sections of the skeleton; empty in figure 1.
        blocks: the enlarged blocks.
    """

    title: str
    caption: str
    image: str
    stages: tuple[SectionDiagram, ...]
    blocks: tuple[BlockDiagram, ...]
