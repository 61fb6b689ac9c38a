"""How a number is written in a table, a caption or a sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence

DASH = "–"
UNITS = {"G": 10**9, "M": 10**6, "k": 10**3}


def counted(n: int, word: str) -> str:
    """ "1 seed", "5 seeds"."""
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def grouped(number: int) -> str:
    """ "1,234,567"."""
    return f"{number:,}"


def quantity(number: int) -> str:
    """ "26.4 M", "5.24 G": three digits."""
    for unit, size in UNITS.items():
        if number >= size:
            scaled = number / size
            return f"{scaled:,.{2 if scaled < 10 else 1 if scaled < 100 else 0}f} {unit}"
    return str(number)


def stated_quantity(text: str) -> float | None:
    """The number that a published "1.7M" states; None for another text."""
    try:
        return float(text[:-1]) * UNITS[text[-1]] if text[-1:] in UNITS else float(text)
    except ValueError:
        return None


def two_decimals(number: float) -> str:
    """ "5.43"."""
    return f"{number:.2f}"


def signed(difference: float) -> str:
    """ "+0.50", "-1.20"."""
    return f"{difference:+.2f}"


def percent(error: float) -> str:
    """ "5.43", and "diverged" for an infinite error."""
    return f"{error:.2f}" if math.isfinite(error) else "diverged"


def error_range(interval: Sequence[float]) -> str:
    """ "38.60–41.15", of the two ends of an interval of errors."""
    return "–".join(map(percent, interval))


def p_text(p: float) -> str:
    """ "0.008", "0.0003": two digits of what is small."""
    return f"{p:.3f}" if p >= 0.001 else f"{p:.1g}"


def seeds_needed_text(needed: float) -> str:
    """ "≈ 30", "> 1,000"."""
    return "> 1,000" if math.isinf(needed) else f"≈ {needed:,.0f}"


def blocks_text(blocks: int | Sequence[int] | None) -> str:
    """ "4"; "3 4 6 3" where groups differ; a dash for a network without groups."""
    if blocks is None:
        return DASH
    return str(blocks) if isinstance(blocks, int) else " ".join(map(str, blocks))
