"""What the tests share: a tiny study on the embedded digits, and a cache of their own."""

from __future__ import annotations

import gc
import io
import os
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("any machine", deadline=None, max_examples=50)
settings.load_profile("any machine")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # a test a core; before torch is imported
MEMORY = Path("/dev/shm")
if MEMORY.is_dir():
    _there = os.statvfs(MEMORY)
    if _there.f_bavail * _there.f_frsize > 4 << 30 and not _there.f_flag & os.ST_NOEXEC:
        # Where tmp_path is: on a disk the tests would wait for each file that is flushed.
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
gc.set_threshold(50_000, 20, 20)  # with torch, pandas and matplotlib, a seventh of the time went into collections

TINY = """\
name: tiny
title: A tiny study
data: {name: digits, train_size: 128, test_size: 64, augment: flip_crop}
recipe: {base: wrn_cifar, epochs: 3, batch_size: 32}
seeds: 2
variants:
  - net: [WRN-10-0.25-dropout0.3, WRN-10-0.25-B(3,1)]
baseline: WRN-10-0.25-B(3,1)
"""


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores, as some tests wait for other processes or for time to pass."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_finish() -> None:
    """What is imported by now stays, so no collection need look at it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABLATE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.delenv("ABLATE_DATA", raising=False)


@pytest.fixture(scope="session", autouse=True)
def newest_schema() -> Iterator[None]:
    """Optuna reads its newest schema from a package once, not a dozen files whenever a search is opened."""
    from optuna.storages._rdb.storage import _VersionManager

    read, found = _VersionManager.get_head_version, list[str]()

    def read_once(manager: _VersionManager) -> str:
        if not found:
            found.append(read(manager))
        return found[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_VersionManager, "get_head_version", read_once)
        yield


@cache
def _pixel() -> bytes:
    from PIL import Image

    written = io.BytesIO()
    Image.new("RGB", (1, 1)).save(written, "PNG")
    return written.getvalue()


@pytest.fixture
def unrendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are drawn, but each file has a pixel in it: to write one in three formats takes longer than a training.

    For tests of what a report says, or of its other files. Figures that are written in full are in tests/report/figures.
    """
    from ablate.report.drawn_figures import DrawnFigure

    files = {"png": _pixel(), "svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>', "pdf": b"%PDF-1.4"}
    monkeypatch.setattr(DrawnFigure, "rendered", lambda made, format: (made.figure, files[format])[1])


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """Child processes of ablate are forks of the test's; they are added to this list. See tests/forked.py."""
    from forked import in_place_of_subprocess

    started: list[subprocess.Popen[bytes]] = []
    monkeypatch.setattr("ablate.processes.parent.subprocess", in_place_of_subprocess(started))
    return started


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path
