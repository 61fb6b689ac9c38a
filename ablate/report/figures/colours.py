"""The colours of figures, and of variants with their markers: a network has the same ones in every study, and on the page.

A colour is chosen by the name, not by the order: the networks and blocks of the papers have theirs in a table, wide
ResNets blue, original ones red and brown, pre-activation ones green. Other names are hashed. Twelve variants of one study
never share a colour. Every colour has a contrast of 3 to 1 with white, and they stay apart for readers with a colour vision
deficiency.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

INK, GREY, PALE = "#222222", "#5f5f5f", "#8c8c8c"
ACCENT, SHADE = "#c2410c", "#e6eff7"  # the baseline; what is indistinguishable from the best
HATCHES = ("", "////", "xxxx", "----", "\\\\\\\\", "||||")
DASHED, DASH_DOT, DOTTED = (0, (4, 2)), (0, (6, 2, 1, 2)), (0, (1, 2))
PALETTE = (
    "#0072b2", "#d55e00", "#009873", "#9b2f86", "#241a7a", "#6f5a00", "#4198a6", "#e62e62", "#5f6672", "#5b8ff0",
    "#00443c", "#6a1430",
)  # fmt: skip
MARKERS = "osD^vPX*<>hp"
KNOWN = {
    "WRN-28-10": 0, "WRN-16-8": 4, "WRN-40-4": 9,
    "ResNet-110": 7, "ResNet-1202": 11, "ResNet-110-survival0.5": 1, "ResNet-1202-survival0.5": 5,
    "pre-ResNet-110": 6, "pre-ResNet-164": 2, "pre-ResNet-1001": 10,
    "NIN": 8, "VGG": 3,
    "B(3,3)": 0, "B(3,1)": 1, "B(1,3)": 2, "B(1,3,1)": 3, "B(3,1,1)": 5, "B(3,1,3)": 7,
    "B(3)": 6, "B(3,3,3)": 11, "B(3,3,3,3)": 8,
}  # fmt: skip


class Look(NamedTuple):
    """The colour and marker of one variant.

    Args:
        colour: Such as "#0072b2".
        marker: A marker of matplotlib.
    """

    colour: str
    marker: str


def look(index: int) -> Look:
    """The look with a number. 144 looks differ; the first twelve differ in colour and in marker.

    Args:
        index: From 0.
    """
    colours = len(PALETTE)
    return Look(PALETTE[index % colours], MARKERS[(index + index // colours) % len(MARKERS)])


def looks(names: Iterable[str]) -> dict[str, Look]:
    """The look of each variant by its name, whatever their order.

    Args:
        names: Of the variants that are shown together.
    """
    return {name: look(number) for name, number in look_numbers(names).items()}


def look_numbers(names: Iterable[str]) -> dict[str, int]:
    """The number of each variant's look by its name. Up to twelve names have different colours.

    A name takes the first free colour of its own order of preference; names that the table knows choose first.

    Args:
        names: Of the variants that are shown together.
    """
    subjects = _subjects(list(dict.fromkeys(names)))
    taken: set[int] = set()
    found: dict[str, int] = {}
    for name in sorted(subjects, key=lambda name: (subjects[name] not in KNOWN, subjects[name], name)):
        order = _preferences(subjects[name])
        turn, colours = len(found) // len(PALETTE), len(PALETTE)
        found[name] = next(slot + turn * colours for slot in order if slot + turn * colours not in taken)
        taken.add(found[name])
    return {name: found[name] for name in subjects}


def _subjects(names: list[str]) -> dict[str, str]:
    """What the colour of each name stands for: the block, where no two names have the same one; else the whole name."""
    blocks = {name: match[0] if (match := re.search(r"B\([\d,]+\)", name)) else name for name in names}
    times = Counter(blocks.values())
    return {name: block if times[block] == 1 else name for name, block in blocks.items()}


def _preferences(subject: str) -> list[int]:
    """The colours in the order in which a subject takes them: its own, then the others."""
    hashed = sorted(range(len(PALETTE)), key=lambda slot: zlib.crc32(f"{subject} {slot}".encode()))
    return list(dict.fromkeys([KNOWN.get(subject, hashed[0]), *hashed]))
