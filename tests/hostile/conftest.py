"""Temporary directories of these tests, and those that the targets keep for all their inputs, are removed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def _removed() -> Iterator[None]:
    from hostile.targets import KEPT

    before = tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix="hostile-") as parent:
        tempfile.tempdir = parent
        yield
        tempfile.tempdir = before
        for kept in KEPT:
            kept.cache_clear()
