from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from forked import said_by_two
from PIL import Image

from ablate.data import array_cache, location
from ablate.data.cache import check_digest, content_digest, load_images
from ablate.data.location import Location
from ablate.data.tensors import to_tensors
from ablate.errors import DataError
from ablate.files import hold_lock
from ablate.study.spec import load_study

LOAD = """
import sys
from pathlib import Path
from ablate.data.cache import load_images
from ablate.data.location import Location
print("ready", flush=True)
input()
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


def test_only_missing_test_images_are_said_to_be_missing(here: Location) -> None:
    (here.root / "test").rename(here.root / "elsewhere")
    with pytest.raises(
        DataError, match=r"train/.* not found in .*: the training images are there, the test images are not$"
    ):
        decodings(here)
    (here.root / "train").rename(here.root / "nowhere")
    with pytest.raises(DataError, match=r"train/.* not found in .*ABLATE_DATA"):
        decodings(here)


def test_two_processes_decode_once(here: Location) -> None:
    said = said_by_two(LOAD, str(here.root), str(here.cache))
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


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def entry(here: Location) -> Path:
    (path,) = (path for path in here.cache.iterdir() if path.name.startswith("image_folder") and path.is_dir())
    return path


@pytest.mark.parametrize("name", ["train_images.npy", "train_labels.npy", "test_images.npy", "test_labels.npy", "sha256"])
def test_whatever_is_wrong_with_a_cached_file_it_is_decoded_again(here: Location, name: str) -> None:
    """Every one of its bits that is another one, a file that is cut, gone, or something else."""
    expected, _ = load_images("image_folder", 8, here)
    path = entry(here) / name
    whole = path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o444

    def link() -> None:
        path.with_name("copy").write_bytes(whole)
        path.symlink_to("copy")

    damages: list[Callable[[], object]] = [
        *(lambda at=at: path.write_bytes(flipped(whole, at)) for at in range(0, len(whole), 7)),  # type: ignore[misc]
        lambda: path.write_bytes(b""),
        lambda: path.write_bytes(whole[:-1]),
        lambda: path.write_bytes(whole + b"0"),
        lambda: None,
        link,
        lambda: os.mkfifo(path),
        path.mkdir,
    ]
    said: list[str] = []
    for damage in damages:
        path.unlink()
        damage()
        images, _ = load_images("image_folder", 8, here, said.append)
        assert all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in zip(images, expected))
    # What changes no value need not be seen: a space of the header, or bytes behind the array.
    assert len(damages) - 20 < len(said) <= len(damages) and all(line.startswith("decoding") for line in said)


def test_the_images_are_mapped_and_cannot_be_changed(here: Location) -> None:
    load_images("image_folder", 8, here)
    images, _ = load_images("image_folder", 8, here)
    assert all(isinstance(array.base, mmap.mmap) and not array.flags.writeable for array in images)
    tensor = to_tensors(images.train_images, images.train_labels, torch.device("cpu")).images
    assert tensor.data_ptr() == images.train_images.ctypes.data  # no copy


def test_a_cache_that_cannot_be_used_is_done_without(here: Location, tmp_path: Path) -> None:
    expected, digest = load_images("image_folder", 8, here)
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", Path(os.devnull) / "ablate"):
        said: list[str] = []
        images, again = load_images("image_folder", 8, here._replace(cache=place), said.append)
        assert again == digest and all(np.array_equal(a, b) for a, b in zip(images, expected))
        assert len(said) == 2 and f"the cache {place} cannot be used" in said[1] and "ABLATE_CACHE" in said[1]
        said.clear()
        load_images("image_folder", 8, here._replace(cache=place), said.append)
        assert [line.split()[0] for line in said] == ["decoding"]  # it is said once
    assert not (tmp_path / "file").read_bytes()


def test_a_lock_that_is_held_is_said_and_waited_for_so_long(here: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(array_cache, "SAID_SECONDS", 0.1)
    monkeypatch.setattr(array_cache, "LOCK_SECONDS", 0.2)
    load_images("image_folder", 8, here)
    path = entry(here)
    (path / "sha256").unlink()
    said: list[str] = []
    with hold_lock(path.with_name(f"{path.name}.lock")) as free:
        assert free
        load_images("image_folder", 8, here, said.append)
    assert said[0].startswith("waiting for another process that decodes the same images; it holds ")
    assert said[1].startswith("decoding") and "cannot be used" in said[2]


def test_who_may_write_to_the_directory_may_write_to_its_locks(here: Location) -> None:
    here.cache.mkdir()
    here.cache.chmod(0o777)
    before = os.umask(0o022)
    try:
        load_images("image_folder", 8, here)
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in here.cache.iterdir()}
    assert modes["digests"] == 0o777
    assert {mode for name, mode in modes.items() if name.endswith(".lock")} == {0o666}
    assert modes[entry(here).name] == 0o777


@pytest.mark.parametrize("what", ["~/images", "$HERE/images", "${HERE}/images"])
def test_paths_are_expanded_alike(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "HERE"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("ABLATE_DATA", what)
    assert location.default_root() == tmp_path / "images"
    assert Location(Path("x"), Path("y")).of(what).root == tmp_path / "images"
    assert location.find_location(what).root == tmp_path / "images"
    study = tmp_path / "study.yaml"
    data = f"{{name: image_folder, title: A, classes: 2, image_size: 8, root: '{what}'}}"
    study.write_text(f"name: a\ndata: {data}\nrecipe: wrn_cifar\nseeds: 1\nvariants: [{{net: WRN-10-1}}]\n")
    assert Path(str(load_study(study).data.root)) == tmp_path / "images"


def test_a_user_without_a_home_has_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("ABLATE_CACHE", "/elsewhere")
    assert location.default_cache() == Path("/elsewhere")
    monkeypatch.delenv("ABLATE_CACHE")
    assert location.default_cache() == Path(os.devnull) / "ablate"


def test_other_images_than_expected_are_refused(here: Location) -> None:
    _, digest = load_images("image_folder", 8, here)
    check_digest(digest, digest, here)
    with pytest.raises(DataError, match=rf"data\.digest: the study says 0{{16}}.* have {digest}"):
        check_digest("0" * 16, digest, here)


def test_places_by_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABLATE_DATA", "/somewhere")
    monkeypatch.setenv("ABLATE_CACHE", "/elsewhere")
    assert (location.default_root(), location.default_cache()) == (Path("/somewhere"), Path("/elsewhere"))
    monkeypatch.delenv("ABLATE_DATA")
    monkeypatch.delenv("ABLATE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert (location.default_root(), location.default_cache()) == (Path("data"), Path("/xdg/ablate"))
