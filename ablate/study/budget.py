"""Solving one axis of a network for a budget. No formula is kept by hand: costs are read from blueprints."""

from __future__ import annotations

from collections.abc import Callable

from ablate.nets.notation import MAX_N


def closest_to(target: int, cost: Callable[[int], int], high: int = MAX_N) -> int:
    """The n in 1..high whose cost comes closest to the target, the smaller on a tie; cost must increase with n."""
    below = largest_within(target, cost, high)
    if below == 0:
        return 1
    if below == high:
        return high
    return below if target - cost(below) <= cost(below + 1) - target else below + 1


def largest_within(maximum: int, cost: Callable[[int], int], high: int = MAX_N) -> int:
    """The largest n in 1..high whose cost does not exceed the maximum; 0 if none does. Interpolates, then bisects."""
    if cost(1) > maximum:
        return 0
    if high == 1 or cost(high) <= maximum:
        return high
    low, step = 1, cost(2) - cost(1)
    guess = 1 + (maximum - cost(1)) // max(1, step)  # exact where the cost is linear, as it is in depth
    if low < guess < high:
        low, high = (guess, high) if cost(guess) <= maximum else (low, guess)
    if low + 1 < high and cost(low + 1) > maximum:
        return low
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (middle, high) if cost(middle) <= maximum else (low, middle)
    return low
