"""The errors that a user can correct.

AblateError               one line for the user, exit code 2
├── StudyError            a study file is not valid; the message begins with file:line:column where it is known
│   └── BudgetError       a network cannot meet the budget
├── NotationError         a network's name does not follow the notation, or a user's own network cannot be imported
├── DataError             images or weights are missing, damaged or not as declared
│   └── DamagedImage      a file in the place of an image cannot be decoded
├── RecordError           a record is damaged, or contradicts what would be written to its directory
│   └── DamagedRecord     the content of one of its files is not the one that was written
└── RunError              a run cannot start: there is no such device, or records cannot be written
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

LONGEST = 4000  # characters of a message
SEVERAL = 200  # names that a message lists
# Control characters, line ends, marks that reverse the direction of writing, and halves of surrogate pairs.
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """A text as one line that is safe to print. Characters that would act on a terminal are replaced by Python escapes.

    Args:
        text: Any text, such as a value quoted from a file.
    """
    return UNPRINTABLE.sub(lambda found: repr(found[0])[1:-1], text)


class AblateError(Exception):
    """Base class of every error that a user can correct.

    The message is one complete line of printable characters, whatever it quotes.

    Args:
        text: The message. It is made printable and is cut at LONGEST characters.
    """

    def __init__(self, text: str) -> None:
        line = printable(text)
        super().__init__(line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…")


def describe_error(error: BaseException, text: str) -> str:
    """What failed, in words: the text alone where it is written for the user, else after the type of the error."""
    return text if isinstance(error, AblateError) else f"{type(error).__name__}: {text}"


class StudyError(AblateError):
    """A study file or an override is not valid."""


class BudgetError(StudyError):
    """No value of the solved axes brings a variant into the budget."""


class NotationError(AblateError):
    """A network cannot be built: its name or its axes are not valid, or a user's own code cannot be imported."""


class DataError(AblateError):
    """Images or weights are missing, damaged or different from what is declared."""


class DamagedImage(DataError):
    """A file in the place of an image cannot be decoded."""


class RecordError(AblateError):
    """A record on disk is damaged, or contradicts the trial that its directory is named for."""


class DamagedRecord(RecordError):
    """The content of a record's file is not the one that was written, or is another trial's."""


class RunError(AblateError):
    """A run cannot start on this machine as requested."""


def allowed(found: str, names: Iterable[str]) -> str:
    """The end of an error message: "did you mean '...'?" if a valid name is similar, then the valid names.

    A letter of another script, or one that cannot be seen, is named: the two names may look the same.

    Args:
        found: The name that is not valid.
        names: The valid names. At most SEVERAL of them are listed.
    """
    names = [str(name) for name in names]
    near = difflib.get_close_matches(found, names[: 10 * SEVERAL], n=1, cutoff=0.6)
    without = foreign_letter(found, ", without ") if near and near[0].isascii() else ""
    alone = "" if near or not all(map(str.isascii, names[:SEVERAL])) else foreign_letter(found, "it has ")
    hint = f"did you mean '{near[0]}'{without}? " if near else f"{alone}; " if alone else ""
    more = f" and {len(names) - SEVERAL} more" if len(names) > SEVERAL else ""
    return f"{hint}allowed: {', '.join(names[:SEVERAL])}{more}"


def foreign_letter(found: Any, before: str = ", with ") -> str:
    """The first letter of a text that is not ASCII, such as ", with U+0412 CYRILLIC CAPITAL LETTER VE"; "" if all are.

    Args:
        found: A value that is refused where a number, or a text of ASCII, may stand.
        before: The words before the letter.
    """
    letter = next((letter for letter in found if not letter.isascii()), "") if isinstance(found, str) else ""
    return f"{before}U+{ord(letter):04X} {unicodedata.name(letter, '')}".rstrip() if letter else ""


def describe(value: Any) -> str:
    """A found value for an error message, short and in YAML's words.

    Args:
        value: A plain value of a YAML document.
    """
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    text = f"'{value}'" if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else text[:79] + "…"
