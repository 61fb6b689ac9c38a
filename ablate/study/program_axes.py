"""The axes of a study of a program: the placeholders of its command, and the values that they can have."""

from __future__ import annotations

from typing import Any

from ablate.errors import describe
from ablate.study.document import Document, KeyPath
from ablate.study.program import EPOCHS, SEED, TRIAL, Program


def wanted_axes(program: Program) -> list[str]:
    """The placeholders that the study must give a value, in the order of the command.

    Args:
        program: The program.
    """
    given_already = (SEED, TRIAL, *([] if program.epochs is None else [EPOCHS]))
    return [name for name in program.placeholders if name not in given_already]


def check_axis_name(document: Document, path: KeyPath, axis: str, wanted: list[str]) -> None:
    """Check that the command has a placeholder of this name.

    Args:
        document: The study file's values and their places.
        path: Where the axis is.
        axis: The name.
        wanted: As returned by wanted_axes().

    Raises:
        StudyError: There is no such placeholder; the message names the place.
    """
    if axis not in wanted:
        known = f"{{{'}, {'.join(wanted)}}}" if wanted else "no placeholder"
        taken = {SEED: "use 'seeds'", TRIAL: "trial is the folder of each trial; use another name"}
        hint = taken.get(axis, f"the command has {known}")
        document.fail(path, f"{axis}: no placeholder {{{axis}}} in program.command; {hint}")


def check_value(document: Document, path: KeyPath, axis: str, value: Any) -> None:
    """Check that a value can be an argument of a command.

    Args:
        document: The study file's values and their places.
        path: Where the value is.
        axis: Its axis.
        value: Any plain value.

    Raises:
        StudyError: It cannot; the message names the place.
    """
    if isinstance(value, str) and "\0" in value:
        document.fail(path, f"{axis}: found {describe(value)}; allowed: text without NUL")
