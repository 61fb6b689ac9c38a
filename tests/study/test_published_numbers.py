"""Every published number of the shipped studies is the paper's: published.json was typed from the papers, not from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ablate.study.document import read_document

KNOWN: dict[str, dict[str, dict[str, Any]]] = json.loads((Path(__file__).parent / "published.json").read_text())
STUDIES = Path(__file__).parents[2] / "studies"
REPEATING = ("curves_cifar", "curves_svhn", "efficiency")
NOT_NUMBERS = ("net", "label", "note", "not_run", "other")


def rows(name: str) -> dict[str, dict[str, Any]]:
    """The numbers of each row that a study file calls published."""
    found: dict[str, dict[str, Any]] = {}
    for table in read_document(STUDIES / f"{name}.yaml").value["published"]:
        for row in table["rows"]:
            label = row.get("label", row.get("net"))
            values = {key: value for key, value in row.items() if key not in NOT_NUMBERS} | row.get("other", {})
            label += " on SVHN" if label in found else ""  # the same network in another part of the table
            found[label] = values
    return found


@pytest.mark.parametrize("name", KNOWN)
def test_every_number(name: str) -> None:
    found, known = rows(name), KNOWN[name]
    if name == "dropout":  # with and without dropout, rates differ between CIFAR and SVHN
        known = {label.removesuffix(" on SVHN") if "0.4" in label else label: each for label, each in known.items()}
    assert found == known


@pytest.mark.parametrize("name", REPEATING)
def test_figures_repeat_the_numbers_of_tables(name: str) -> None:
    for label, values in rows(name).items():
        net = label.removesuffix(" on SVHN")
        stated = [known[net] for known in KNOWN.values() if net in known] + [KNOWN["dropout"].get(f"{net} on SVHN", {})]
        for key, value in values.items():
            assert value in [each.get(key) for each in stated], (label, key)


def test_every_study_with_published_numbers_is_known() -> None:
    published = {path.stem for path in STUDIES.glob("*.yaml") if "\npublished:" in path.read_text()}
    assert published == {*KNOWN, *REPEATING, "optimizer"}  # of which no number is a paper's
