from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ablate.data import cache
from ablate.data.cache import Location, content_digest, load_images
from ablate.errors import DataError

LOAD = """
import sys
from pathlib import Path
from ablate.data.cache import Location, load_images
load_images("image_folder", 8, Location(Path(sys.argv[1]), Path(sys.argv[2])), print)
"""


@pytest.fixture
def here(tmp_path: Path) -> Location:
    for part in ("train", "test"):
        for name in ("a", "b"):
            path = tmp_path / "images" / part / name / "0.png"
            path.parent.mkdir(parents=True)
            Image.new("RGB", (8, 8), (len(name), 0, 0)).save(path)
    return Location(tmp_path / "images", tmp_path / "cache")


def decodings(here: Location) -> list[str]:
    said: list[str] = []
    load_images("image_folder", 8, here, said.append)
    return said


def test_images_are_decoded_once(here: Location) -> None:
    assert len(decodings(here)) == 1
    assert decodings(here) == []


def test_two_processes_decode_once(here: Location) -> None:
    command = [sys.executable, "-c", LOAD, str(here.root), str(here.cache)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = "".join(process.communicate()[0] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert said.count("decoding") == 1


def test_the_digest_follows_content_and_names_not_times(here: Location) -> None:
    files = sorted(path for path in here.root.rglob("*.png"))
    before = content_digest(files, here)
    files[0].touch()
    assert content_digest(files, here) == before
    Image.new("RGB", (8, 8), (99, 0, 0)).save(files[0])
    changed = content_digest(files, here)
    assert changed != before
    moved = files[0].rename(files[0].with_name("1.png"))
    assert content_digest([moved, *files[1:]], here) not in (before, changed)


def test_changed_images_are_decoded_anew(here: Location) -> None:
    old, old_digest = load_images("image_folder", 8, here)
    Image.new("RGB", (8, 8), (200, 0, 0)).save(here.root / "train" / "a" / "0.png")
    new, new_digest = load_images("image_folder", 8, here)
    assert old_digest != new_digest
    assert old.train_images[0, 0, 0, 0] == 1 and new.train_images[0, 0, 0, 0] == 200


def flip_a_pixel(data: bytes) -> bytes:
    at = data.index(b"NUMPY") + 200
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[: len(data) // 2], flip_a_pixel])
def test_a_damaged_cache_is_decoded_again(here: Location, damage: Callable[[bytes], bytes]) -> None:
    expected, _ = load_images("image_folder", 8, here)
    (path,) = here.cache.glob("*.npz")
    path.write_bytes(damage(path.read_bytes()))
    said: list[str] = []
    images, _ = load_images("image_folder", 8, here, said.append)
    assert len(said) == 1
    assert all(np.array_equal(a, b) for a, b in zip(images, expected))


def test_other_images_than_expected_are_refused(here: Location) -> None:
    _, digest = load_images("image_folder", 8, here)
    assert load_images("image_folder", 8, here, expected=digest)[1] == digest
    with pytest.raises(DataError, match=rf"data\.digest: the study says 0{{16}}.* have {digest}"):
        load_images("image_folder", 8, here, expected="0" * 16)


def test_places_by_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABLATE_DATA", "/somewhere")
    monkeypatch.setenv("ABLATE_CACHE", "/elsewhere")
    assert (cache.default_root(), cache.default_cache()) == (Path("/somewhere"), Path("/elsewhere"))
    monkeypatch.delenv("ABLATE_DATA")
    monkeypatch.delenv("ABLATE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert (cache.default_root(), cache.default_cache()) == (Path("data"), Path("/xdg/ablate"))
