"""The formats of numbers in tables, captions and sentences."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ablate.statistics.comparison import ALPHA

DASH = "–"
MINUS = "−"  # U+2212
UNITS = {"G": 10**9, "M": 10**6, "k": 10**3}


def counted(n: int, word: str) -> str:
    """A number and a noun, such as "1 seed" or "5 seeds".

    Args:
        n: The number.
        word: The noun in the singular; the plural is formed with "s".
    """
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def span(low: int, high: int, word: str) -> str:
    """A range of numbers and a noun, such as "3 to 5 seeds"; "1 seed" where both are the same.

    Args:
        low, high: The ends.
        word: As in counted().
    """
    return counted(low, word) if low == high else f"{low} to {high} {word}s"


def device_time(seconds: float) -> str:
    """The time of a device, such as "1 device-minute" or "2.50 device-hours".

    Args:
        seconds: Not negative.
    """
    if seconds >= 360:
        return f"{seconds / 3600:.2f} device-hours"
    minutes = f"{seconds / 60:.2g}"
    return f"{minutes} device-minute{'' if minutes == '1' else 's'}"


def quantity(number: int) -> str:
    """A number with three digits and a unit prefix, such as "26.4 M" or "5.24 G".

    Args:
        number: A count, 0 or more.
    """
    for unit, size in UNITS.items():
        if number >= size:
            scaled = number / size
            return f"{scaled:,.{2 if scaled < 10 else 1 if scaled < 100 else 0}f} {unit}"
    return str(number)


def stated_quantity(text: str) -> float | None:
    """The number that a published text such as "1.7M" states; None if the text is not a number.

    Args:
        text: A number, with the suffix k, M or G or without.
    """
    try:
        return float(text[:-1]) * UNITS[text[-1]] if text[-1:] in UNITS else float(text)
    except ValueError:
        return None


def with_minus(number: str) -> str:
    """A number such as "-1.20" with the minus sign of typography, which is as wide as a plus sign."""
    return number.replace("-", MINUS)


def _fixed(number: float, sign: str = "") -> str:
    """A number with two decimals, "1.1e+38" from a million on; one digit, "0.003", of one that would be 0.00 and is not."""
    size = abs(number)
    if size < 1e-9:
        number = 0.0  # not -0.00
    return f"{number:{sign}{'.3g' if size >= 1e6 else '.2f' if size < 1e-9 or size >= 0.005 else '.1g'}}"


def _significant(number: float, digits: int, sign: str = "") -> str:
    """A number with so many significant digits, and all of its whole ones below a million."""
    text = f"{number:{sign}.{digits}g}"
    return f"{number:{sign}.0f}" if "e" in text and 1 <= abs(number) < 1e6 else text


def two_decimals(number: float) -> str:
    """A number with two decimals, such as "5.43"."""
    return with_minus(_fixed(number))


def signed(difference: float) -> str:
    """A difference with its sign and two decimals, such as "+0.50" or "−1.20"."""
    return with_minus(_fixed(difference, "+"))


def percent(error: float) -> str:
    """An error with two decimals and without a unit, such as "5.43"; "diverged" for an infinite error.

    Args:
        error: An error in percent.
    """
    return _fixed(error) if math.isfinite(error) else "diverged"


def in_points(difference: float) -> str:
    """A difference of percentages with its unit, such as "1.20 points".

    Args:
        difference: In points.
    """
    return f"{_fixed(difference)} points"


class UnitFormat(NamedTuple):
    """How values of a measure are written.

    Args:
        value: A value; "diverged" for an infinite one.
        spread: A standard deviation.
        signed: A difference with its sign.
        distance: An absolute difference with its unit.
        with_unit: A value with its unit, such as "5.43%" or "0.2134 nats".
    """

    value: Callable[[float], str]
    spread: Callable[[float], str]
    signed: Callable[[float], str]
    distance: Callable[[float], str]
    with_unit: Callable[[float], str]


def format_of(unit: str) -> UnitFormat:
    """How values of a unit are written: percentages with two decimals, other values with four significant digits.

    Args:
        unit: Such as "%" or "nats"; "" for none.
    """
    if unit == "%":
        return UnitFormat(percent, two_decimals, signed, in_points, lambda value: f"{_fixed(value)}%")
    after = f" {unit}" if unit else ""
    return UnitFormat(
        lambda value: with_minus(_significant(value, 4)) if math.isfinite(value) else "diverged",
        lambda value: _significant(value, 2),
        lambda value: with_minus(_significant(value, 4, "+")),
        lambda value: f"{_significant(value, 4)}{after}",
        lambda value: with_minus(f"{_significant(value, 4)}{after}"),
    )


def interval_text(interval: Sequence[float], write: UnitFormat) -> str:
    """An interval of a difference, such as "+2.10 to +5.00"; "no limit" for an infinite end.

    Where nothing is excluded it is "no limits", and "diverged" where the difference is infinite.

    Args:
        interval: Its lower and its upper end.
        write: How values are written.
    """
    if not any(map(math.isfinite, interval)):
        return "diverged" if interval[0] == interval[1] else "no limits"
    return " to ".join(write.signed(end) if math.isfinite(end) else "no limit" for end in interval)


def p_text(p: float) -> str:
    """A p-value, such as "0.008"; below 0.001 with one significant digit, such as "0.0003".

    One below ALPHA has as many digits as say so, such as "0.0498".

    Args:
        p: A p-value, 0 to 1.
    """
    return _below_alpha(p, "f", 3) if p >= 0.001 else f"{p:.1g}"


def p_words(p: float) -> str:
    """A p-value in a sentence: "p = 0.04", "p < 0.0001"; below ALPHA as in p_text().

    Args:
        p: From 0 to 1.
    """
    return f"p = {_below_alpha(p, 'g', 2)}" if p >= 1e-4 else "p < 0.0001"


def _below_alpha(p: float, kind: str, digits: int) -> str:
    while p < ALPHA and digits < 16 and float(f"{p:.{digits}{kind}}") >= ALPHA:
        digits += 1
    return f"{p:.{digits}{kind}}"


def seeds_needed_text(needed: Sequence[float]) -> str:
    """A range of seeds, such as "10 to 70", "40 or more", "more than 1,000"; one number if both ends are equal.

    Args:
        needed: The lower and the upper end, as returned by seeds_needed(); infinite above 1,000.
    """
    low, high = needed
    if math.isinf(low):
        return "more than 1,000"
    if math.isinf(high):
        return f"{low:,.0f} or more"
    return f"about {low:,.0f}" if low == high else f"{low:,.0f} to {high:,.0f}"


def is_number(value: Any) -> bool:
    """Whether a value, such as one of a searched axis, is a number; a bool is not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def finite(number: float | None) -> float | None:
    """The number, or None if it is not finite, because JSON has no infinity.

    Args:
        number: Any number; None stays None.
    """
    return number if number is not None and math.isfinite(number) else None


def blocks_text(blocks: int | Sequence[int] | None) -> str:
    """The blocks per group, such as "4"; "3 4 6 3" where the groups differ.

    Args:
        blocks: One number if all groups are equal; None for a network without groups, shown as a dash.
    """
    if blocks is None:
        return DASH
    return str(blocks) if isinstance(blocks, int) else " ".join(map(str, blocks))
