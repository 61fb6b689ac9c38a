"""Two answers of a tuned study are only called different where their differences are."""

from __future__ import annotations

import math

import pytest

from ablate.report.both_answers import _contrast
from ablate.report.compared import Outcome
from ablate.report.numbers import format_of

UNKNOWN = (-math.inf, math.inf)


@pytest.mark.parametrize(
    ("own", "best", "expected"),
    [
        ((1.0, 2.0), (-0.5, 0.9), "So the first answer is about the lr, not about the variant alone."),
        ((-2.0, -1.0), (-0.5, 0.9), "So the first answer is about the lr, not about the variant alone."),
        (
            (0.1, 2.0),
            (-0.1, 1.9),
            "The intervals of the two differences, +0.10 to +2.00 and −0.10 to +1.90, overlap, so it is not known whether "
            "the lr is the reason.",
        ),
        (
            (0.1, 2.0),
            UNKNOWN,
            "The intervals of the two differences overlap, so it is not known whether the lr is the reason.",
        ),
    ],
)
def test_a_verdict_beside_none_is_no_contrast_by_itself(
    own: tuple[float, float], best: tuple[float, float], expected: str
) -> None:
    then, now = Outcome("a", "b", "worse", 1.0, own), Outcome("a", "b", "not told apart", 0.5, best)
    assert _contrast(then, now, "lr", format_of("%")) == expected
    several = _contrast(then, now, "lr and k", format_of("%"), axes=2)
    assert several == expected.replace("the lr is", "the lr and k are").replace("the lr,", "the lr and k,")
