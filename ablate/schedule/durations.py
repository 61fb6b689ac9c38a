"""Times in words. No rich here, which a plan does not need."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """A time in words, such as "42 s", "3 min 05 s" or "2 h 10 min".

    Args:
        seconds: Not negative.
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
