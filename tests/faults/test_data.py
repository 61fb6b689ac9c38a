"""No room for decoded images, and images that are cut, swapped or gone during a run: named, with what to do."""

from __future__ import annotations

import os
import subprocess
import sys
import time
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

STREAM = """
import sys, torch
from pathlib import Path
from ablate.data.data_sets import source_of
from ablate.data.listing import list_part
from ablate.data.streaming import stream, take_files
from ablate.errors import DataError
root = Path(sys.argv[1])
part = take_files(list_part(source_of("imagenet").parts(root, ["train"])[0], root, "imagenet"), 224, torch.device("cpu"))
try:
    for images, _ in stream(part, torch.arange(36), 12):
        print(len(images))
except DataError as error:
    print(error)
"""


@pytest.fixture
def part(tmp_path: Path) -> Streamed:
    write_imagenet(tmp_path)
    return take_files(list_images(tmp_path, "train"), 32, torch.device("cpu"))


def test_a_full_dev_shm_and_too_few_descriptors_are_named(part: Streamed) -> None:
    small = f"mount -t tmpfs -o size=64k tmpfs /dev/shm && exec {sys.executable} -c '{STREAM}' {part.files.folder.parent}"
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("a /dev/shm of one's own takes root")
    done = subprocess.run(["unshare", "-m", "sh", "-c", small], capture_output=True, text=True, timeout=120)
    assert done.stdout.startswith("/dev/shm is full: decoded batches pass through it, it has 0 MiB; enlarge it (docker")


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


LOADING = """
import sys, time, torch
from pathlib import Path
from ablate.data import streaming
from ablate.data.data_sets import source_of
from ablate.data.listing import list_part
streaming.WORKERS = 2
root = Path(sys.argv[1])
files = list_part(source_of("imagenet").parts(root, ["train"])[0], root, "imagenet")
part = streaming.take_files(files, 32, torch.device("cpu"))
batches = streaming.stream(part, torch.arange(36), 3)
next(batches)
print("decoding", flush=True)
time.sleep(60)
"""


def test_processes_that_decode_end_with_the_one_that_trains(part: Streamed) -> None:
    """At once: they would hold its trial's lock, and the next attempt would find it taken."""
    line = [sys.executable, "-c", LOADING, str(part.files.folder.parent)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as training:
        assert training.stdout is not None and training.stdout.readline() == "decoding\n"
        children = psutil.Process(training.pid).children(recursive=True)
        assert len(children) >= 2
        os.kill(training.pid, 9)
        training.wait()
        begun = time.monotonic()
        _, alive = psutil.wait_procs(children, timeout=2)
        alive = [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
        assert not alive and time.monotonic() - begun < 3
