"""What can go wrong through no fault of ours.

AblateError               one line for the user, exit code 2
├── StudyError            a study asks for what cannot be; knows file:line:column where there is one
│   └── BudgetError       a network cannot meet the budget
├── NotationError         a network's name does not follow the notation, or a reader's network cannot be had
├── DataError             images or weights are missing, damaged or not what they should be
├── RecordError           a record contradicts what would be written beside it
└── RunError              a run cannot start: no such device, no place for records
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

LONGEST = 4000  # characters of an error
SEVERAL = 200  # names that an error lists
# What acts on a terminal or turns the order of letters around, ends a line, or is half a letter.
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """A text as one line that a terminal shows as it is: what would act on one is written as Python escapes it."""
    return UNPRINTABLE.sub(lambda found: repr(found[0])[1:-1], text)


class AblateError(Exception):
    """Base of every error a user can mend; its text is one complete line, whatever it quotes."""

    def __init__(self, text: str) -> None:
        line = printable(text)
        super().__init__(line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…")


class StudyError(AblateError):
    """A study file or an override that cannot be accepted."""


class BudgetError(StudyError):
    """A variant that no value of the solved axis brings into the budget."""


class NotationError(AblateError):
    """A network that cannot be: its name, its axes, or a reader's code."""


class DataError(AblateError):
    """Images or weights that are missing, damaged or different from what is declared."""


class RecordError(AblateError):
    """A record on disk that contradicts the trial it stands for."""


class RunError(AblateError):
    """A run that cannot start on this machine as asked."""


def allowed(found: str, names: Iterable[str]) -> str:
    """The tail of an error message: the nearest valid name, if one is near, and all of them."""
    names = [str(name) for name in names]
    near = difflib.get_close_matches(found, names[: 10 * SEVERAL], n=1, cutoff=0.6)
    hint = f"did you mean '{near[0]}'? " if near else ""
    more = f" and {len(names) - SEVERAL} more" if len(names) > SEVERAL else ""
    return f"{hint}allowed: {', '.join(names[:SEVERAL])}{more}"
