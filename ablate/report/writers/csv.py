"""CSV."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def to_csv(frame: pd.DataFrame) -> bytes:
    """CSV in UTF-8. A text that a spreadsheet would read as a formula gets an apostrophe in front.

    Args:
        frame: The data frame; its index is not written.
    """
    frame = frame.rename(columns=_no_formula)
    for column in frame.columns:
        values = frame[column].tolist()
        if any(_no_formula(value) != value for value in values if isinstance(value, str)):
            frame[column] = [_no_formula(value) if isinstance(value, str) else value for value in values]
    text: str = frame.to_csv(index=False, lineterminator="\n")
    return text.encode()


def _no_formula(text: str) -> str:
    is_number = re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", text)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") and not is_number else text
