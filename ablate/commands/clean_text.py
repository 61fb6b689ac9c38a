"""The text output of `ablate clean`."""

from __future__ import annotations

from ablate.clean import Cleaning, Item
from ablate.commands.outcome_text import bytes_text
from ablate.errors import printable
from ablate.report.numbers import counted
from ablate.report.table import Column, make_table
from ablate.report.writers.plain import table_text

HEADS = {
    "checkpoints": "Checkpoints of finished trials: without them their networks cannot be loaded",
    "logits": "Logits of finished trials: without them no new measure can be computed",
    "variant": "Whole trials",
    "orphans": "Trials that none of the named studies has",
}


def clean_text(found: Cleaning, deleted: bool) -> str:
    """What can be removed, or was: a table for each kind, a line for each trial that is left, and the sum."""
    blocks = []
    for what, head in HEADS.items():
        if items := [one for one in found.items if one.what == what]:
            blocks += [f"{head}:", _table(items)]
    blocks += map(printable, found.left)
    trials = counted(len({one.directory for one in found.items}), "trial")
    if not found.items:
        blocks.append("nothing to remove" if not deleted else "nothing was removed")
    elif deleted:
        blocks.append(f"removed: {bytes_text(found.size)} of {trials}")
    else:
        blocks.append(f"{bytes_text(found.size)} of {trials} can be removed; nothing is removed without `delete`")
    return "\n".join(blocks)


def _table(items: list[Item]) -> str:
    groups: dict[str, list[int]] = {}
    for one in items:
        groups.setdefault(one.group, []).append(one.size)
    rows = [[name, str(len(sizes)), bytes_text(sum(sizes))] for name, sizes in groups.items()]
    return table_text(make_table([Column("Of", False), Column("Trials"), Column("Size")], rows))
