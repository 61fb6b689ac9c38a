"""Freed memory is kept for the next step and given back around tests."""

from __future__ import annotations

import resource
import subprocess
import sys

import psutil  # type: ignore[import-untyped]
import pytest

from ablate.train import allocator

BLOCK = 2**26  # bytes, above the size that glibc keeps by itself

SCRIPT = f"""
import sys
sys.path[:] = {sys.path!r}
from tests.train.test_allocator import report
report()
"""


def report() -> None:
    """Print the page faults of a block that is filled again, before and after, and the memory that is given back."""
    faults = [_faults()]
    allocator.keep_freed_memory()
    b"x" * BLOCK
    faults.append(_faults())
    before = psutil.Process().memory_info().rss
    allocator.release_freed_memory()
    print(*faults, before - psutil.Process().memory_info().rss)


def _faults() -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(3):
        b"x" * BLOCK
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(allocator._glibc() is None, reason="only with glibc")
def test_freed_memory_is_kept_until_it_is_released() -> None:
    ran = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    before, after, released = map(int, ran.stdout.split())
    assert after < 100 < before and released > 0.9 * BLOCK


def test_another_c_library_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    allocator._glibc.cache_clear()
    allocator.keep_freed_memory()
    allocator.release_freed_memory()
    assert allocator._glibc() is None
    allocator._glibc.cache_clear()
