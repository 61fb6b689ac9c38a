"""A family that an installed package adds by an entry point."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ablate.errors import StudyError
from ablate.nets import families, notation
from ablate.nets.counts import count
from ablate.nets.notation import format_architecture, parse_architecture
from ablate.registry import _entry_points

MODULE = """\
from ablate.nets.blueprint import Activation, Blueprint, Conv, GlobalPool, Linear, Repeat, Section
from ablate.nets.blueprint import BatchNorm, Residual
from ablate.nets.family import Family


def blueprint(architecture, classes=10, input_shape=(3, 32, 32)):
    width = int(8 * architecture.k)
    block = Residual((), (Conv(width, width, 3), BatchNorm(width)), (), (Activation("relu"),))
    stem = Section("conv1", (Conv(input_shape[0], width, 3), block, Repeat(block, architecture.N - 1)))
    return Blueprint(input_shape, (stem, Section("head", (GlobalPool(), Linear(width, classes)))))


def write(parts):
    return f"Straight-{parts['depth']}"


FAMILY = Family(
    key="Straight",
    source="nobody",
    form="Straight-<2n+2>",
    examples=("Straight-4",),
    heads=(r"Straight-(?P<depth>\\d{1,4})",),
    write=write,
    blueprint=blueprint,
    axes=("k",),
    defaults=lambda parts: {"block": "basic", "shortcut": "A", "activation_order": "post"},
    groups=1,
    offset=2,
    channels=8,
)
NOT_ONE = 3
"""


def install(folder: Path, entry: str) -> None:
    (folder / "straight.py").write_text(MODULE)
    about = folder / "straight-1.0.dist-info"
    about.mkdir(exist_ok=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: straight\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[ablate.families]\nstraight = {entry}\n")


def forget() -> None:
    vars(families.FAMILIES).pop("_all", None)
    for cached in (families.blueprint, notation._read, notation._claimant, _entry_points):
        cached.cache_clear()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(tmp_path)
    forget()
    yield tmp_path
    forget()
    sys.modules.pop("straight", None)


def test_its_names_are_read_written_and_counted(package: Path) -> None:
    install(package, "straight:FAMILY")
    architecture = parse_architecture("Straight-6-w2")
    assert (architecture.family, architecture.N, architecture.k) == ("Straight", 2, 2)
    assert format_architecture(architecture) == "Straight-6-w2"
    expected = 3 * 16 * 9 + 2 * (16 * 16 * 9 + 2 * 16) + 16 * 10 + 10
    assert count(families.blueprint(architecture)).parameters == expected
    assert families.count_network(architecture).parameters == expected


@pytest.mark.parametrize(
    "entry, said",
    [
        ("straight:ABSENT", "entry point ablate.families: straight: AttributeError"),
        ("straight:NOT_ONE", "straight: found int; allowed: an object of ablate.nets.family.Family"),
        ("ablate.nets.plain:VGG", "straight: the name VGG is taken; choose another name"),
    ],
)
def test_a_wrong_entry_point_is_said(package: Path, entry: str, said: str) -> None:
    install(package, entry)
    with pytest.raises(StudyError, match="entry point") as caught:
        parse_architecture("WRN-16-1")
    assert said in str(caught.value)
