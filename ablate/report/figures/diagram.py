"""What the drawing of a network shows, as plain values: its skeleton, and one block of each kind enlarged."""

from __future__ import annotations

from typing import NamedTuple


class Box(NamedTuple):
    """A layer, or in the skeleton a run of blocks: its text, a smaller second line, how many, and their kind's letter."""

    kind: str  # conv, norm, activation, dropout, pool, linear, subsample, custom, block
    text: str
    note: str = ""
    times: int = 1
    letter: str = ""


class RepeatedBoxes(NamedTuple):
    """Boxes one after another, `times` times over."""

    boxes: tuple[Box, ...]
    times: int = 1


class BlockDiagram(NamedTuple):
    """One kind of block: after(shortcut(s) + branch(s)) of s = shared(x); where it is not residual, its branch alone.

    remarks: where it stands, and how often; channels: of its narrowest convolution.
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
    """A section of the network, the shape that it puts out, and what it is made of."""

    name: str
    output: str
    boxes: tuple[Box, ...]


class Diagram(NamedTuple):
    """One drawing: the skeleton (none in figure 1), and the blocks beside it."""

    title: str
    caption: str
    image: str
    stages: tuple[SectionDiagram, ...]
    blocks: tuple[BlockDiagram, ...]
