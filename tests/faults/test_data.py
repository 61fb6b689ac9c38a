"""No room for decoded images, and images that are cut, swapped or gone during a run: named, with what to do."""

from __future__ import annotations

import ctypes
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from listed import list_images
from original_formats import write_imagenet
from PIL import Image

from ablate.data import streaming
from ablate.data.cache import load_images
from ablate.data.data_sets import DATA_SETS, source_of
from ablate.data.location import Location
from ablate.data.sources import Images
from ablate.data.streaming import Streamed, stream, take_files
from ablate.errors import DataError

NEW_MOUNTS = 0x00020000  # CLONE_NEWNS of unshare(2)


@pytest.fixture
def part(tmp_path: Path) -> Streamed:
    write_imagenet(tmp_path)
    return take_files(list_images(tmp_path, "train"), 32, torch.device("cpu"))


def forked(work: Callable[[], None]) -> tuple[int, int]:
    """A copy of this process, which need not import torch, at work: its id, and where to read what it writes to 1."""
    reader, writer = os.pipe()
    if not (pid := os.fork()):
        os.dup2(writer, 1)
        try:
            work()
        finally:
            os._exit(0)
    os.close(writer)
    return pid, reader


def test_a_full_dev_shm_is_named() -> None:
    def read_with_no_room() -> None:
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "/dev/shm"], check=True)
        try:
            list(stream(part, torch.arange(36), 36))
        except DataError as error:
            os.write(1, str(error).encode())

    def read_apart() -> None:
        if ctypes.CDLL(None).unshare(NEW_MOUNTS):
            os.write(1, b"not root")
        else:
            read_with_no_room()

    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:  # tmp_path may be in /dev/shm
        write_imagenet(Path(folder))
        part = take_files(list_images(Path(folder), "train"), 224, torch.device("cpu"))
        pid, reader = forked(read_apart)
        with open(reader) as said:
            found = said.read()
        os.waitpid(pid, 0)
    if found == "not root":
        pytest.skip("a /dev/shm of one's own takes root")
    assert found.startswith("/dev/shm is full: decoded batches pass through it, it has 0 MiB; enlarge it (docker")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            RuntimeError("DataLoader worker (pid 7) is killed by signal: Bus error. out of shared memory."),
            "/dev/shm is full",
        ),
        (RuntimeError("unable to write to file </torch_7>: No space left on device (28)"), "/dev/shm is full"),
        (
            RuntimeError("Too many open files. Communication with the workers is no longer possible."),
            r"\(ulimit -n 65536\)",
        ),
        (OSError(24, "Too many open files"), "no file descriptors are left for decoded batches"),
        (RuntimeError("received 0 items of ancdata"), "no file descriptors are left"),
    ],
)
def test_what_torch_says_of_a_system_without_room_is_told_with_the_fix(
    part: Streamed, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    class Loader:
        def __init__(self, *words: object, **more: object) -> None: ...

        def __iter__(self) -> Loader:
            return self

        def __next__(self) -> None:
            raise error

    monkeypatch.setattr(streaming, "DataLoader", Loader)
    with pytest.raises(DataError, match=said):
        next(stream(part, torch.arange(36), 12))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda path: path.write_bytes(path.read_bytes()[:-40]),
            r"[\d,]+ bytes, it had [\d,]+ when the run began; restore",
        ),
        (lambda path: Image.new("RGB", (90, 90)).save(path), r"[\d,]+ bytes, it had [\d,]+ when the run began; restore"),
        (lambda path: path.write_bytes(bytes(path.stat().st_size)), r"changed since the run began; restore the file"),
        (lambda path: path.unlink(), r"cannot be read as an image: .*No such file.*; restore the file"),
    ],
    ids=["cut", "swapped", "as many bytes", "gone"],
)
def test_an_image_that_changes_during_a_run_is_named(
    part: Streamed, monkeypatch: pytest.MonkeyPatch, workers: int, change: object, said: str
) -> None:
    monkeypatch.setattr(streaming, "WORKERS", workers)
    path = Path(part.files.path(30))
    batches = stream(part, torch.arange(36), 3)
    next(batches)
    change(path)  # type: ignore[operator]
    with pytest.raises(DataError, match=f"^{path}: {said}"):
        list(batches)


def test_images_that_change_while_they_are_decoded_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("train/a", "train/b", "test/a", "test/b"):
        (tmp_path / "images" / place).mkdir(parents=True)
        Image.new("RGB", (8, 8), (1, 0, 0)).save(tmp_path / "images" / place / "0.png")
    here = Location(tmp_path / "images", tmp_path / "cache")
    read = source_of("image_folder").whole.read
    swapped = tmp_path / "images" / "train" / "a" / "0.png"

    def read_and_swap(root: Path, image_size: int) -> Images:
        Image.new("RGB", (8, 8), (200, 0, 0)).save(swapped)
        return read(root, image_size)

    whole = source_of("image_folder")
    with monkeypatch.context() as patch:
        reading = type(whole.whole)(whole.whole.files, read_and_swap, whole.whole.looked_for)
        source = whole._replace(whole=reading)
        patch.setitem(DATA_SETS.built_in, "image_folder", replace(DATA_SETS["image_folder"], source=lambda options: source))
        with pytest.raises(DataError, match=r"image_folder: files in .* changed while they were decoded; run again"):
            load_images("image_folder", 8, here)
    Image.new("RGB", (8, 8), (1, 0, 0)).save(swapped)
    assert np.unique(load_images("image_folder", 8, here)[0].train_images).tolist() == [0, 1]


def test_processes_that_decode_end_with_the_one_that_trains(part: Streamed, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once: they would hold its trial's lock, and the next attempt would find it taken."""
    monkeypatch.setattr(streaming, "WORKERS", 2)

    def train() -> None:
        batches = stream(part, torch.arange(36), 3)
        next(batches)
        os.write(1, b"decoding")
        time.sleep(60)

    pid, reader = forked(train)
    try:
        assert os.read(reader, 100) == b"decoding"
        children = psutil.Process(pid).children(recursive=True)
        assert len(children) >= 2
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(reader)
    _, alive = psutil.wait_procs(children, timeout=20)  # in a moment, and with two busy cores a little later
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
