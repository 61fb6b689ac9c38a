"""The page of all keys: it is the shipped one, and says something about each key."""

from __future__ import annotations

import re
from pathlib import Path

from ablate.study.reference import reference

PAGE = Path(__file__).parents[2] / "studies" / "README.md"


def test_the_shipped_page_ends_with_the_printed_one() -> None:
    assert PAGE.read_text().endswith(reference())


def test_every_key_has_a_meaning() -> None:
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in reference().splitlines() if line.startswith("| `")]
    keys = {row[0].strip(" `") for row in rows}
    assert {"weight_decay", "precision", "decay_on", "last_batch", "augment", "validation"} <= keys
    assert not [row for row in rows if len(row) == 4 and not row[-1].strip()]
