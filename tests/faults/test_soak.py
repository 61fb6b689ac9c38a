"""A short part of the soak test: one study, one disturbed run, the same results."""

from __future__ import annotations

import re

import pytest
from soak import soak


def test_a_disturbed_study_ends_as_an_undisturbed_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert soak(0, seed=8, runs=1, slots=1) == 0, capsys.readouterr().out
    assert re.search(r"^1 rounds, [1-9]\d* faults survived", capsys.readouterr().out, re.MULTILINE)
