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
from collections.abc import Iterable


class AblateError(Exception):
    """Base of every error a user can mend; its text is one complete line."""


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
    near = difflib.get_close_matches(found, names, n=1, cutoff=0.6)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return f"{hint}allowed: {', '.join(names)}"
