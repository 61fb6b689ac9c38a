"""Small inputs that would take all memory or time, that hold code, or that lead out of their directory."""

from __future__ import annotations

import hashlib
import io
import pickle
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torchvision
from hostile.targets import TARGETS, TWO
from hostile.watch import attempt, watched
from PIL import Image
from recorded import recorded

from ablate.api import load_experiment
from ablate.data.cache import load_images
from ablate.data.decoding import open_image
from ablate.data.location import Location
from ablate.errors import DataError, RecordError, StudyError
from ablate.records.epochs import append_epoch
from ablate.records.imported import draft_torchnet
from ablate.records.merge import merge_runs
from ablate.records.records import trial_state


class Code:
    """Unpickled, it would make a file."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, ("/tmp/ablate-hostile-ran", "w")


def zipped(names: int, megabytes: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("data.pkl", *(f"data/{number}" for number in range(names))):
            archive.writestr(f"archive/{name}", bytes(megabytes << 20))
    return buffer.getvalue()


def picture(wide: int, high: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("1", (wide, high)).save(buffer, "PNG")
    return buffer.getvalue()


ALIASES = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi")
)
GRID = "name: x\ndata: digits\nrecipe: wrn_cifar\nseeds: {}\nvariants: [{{grid: {{depth: [10, 16, 22], {}}}}}]\n"
TEN = ", ".join(
    f"recipe.{field}: [{', '.join(f'0.{n}1' for n in range(9))}1]" for field in ("lr", "drop", "momentum", "weight_decay")
)
SIXTY = f"k: [{', '.join(map(str, range(1, 61)))}]"
BOMBS = {
    "aliases": ("study", ALIASES.encode(), "anchors and aliases"),
    "variants": ("study", GRID.format(1, f"{TEN}, {SIXTY}, dropout: [0, 0.1]").encode(), "more than 1,000,000 variants"),
    "trials": ("study", GRID.format(10_000, SIXTY).encode(), "are more than 1,000,000 trials"),
    "one long word": ("study", b"name: " + b"a" * 250_000, "name"),
    "digits": ("study", b"name: x\nseeds: " + b"9" * 200_000, ""),
    "power": ("expression", b"9**9**9**9 > 1", "not accepted"),
    "text": ("expression", b"'a' * 999999999 == 'b'", "arithmetic"),
    "parentheses": ("expression", b"(" * 250 + b"1" + b")" * 250, ""),
    "depth": ("notation", b"WRN-" + b"9" * 5000 + b"-4", ""),
    "weights": ("weights", zipped(2, 300), "damaged"),
    "pixels": ("image", picture(12_000, 12_000), "pixels; allowed"),
    "a line of pixels": ("image", picture(100_000, 1), "sides of up to"),
    "marks": ("log", b'json_stats: {"a":' * 300_000, "damaged json_stats"),
    "brackets": ("log", b"json_stats: {" + b'"a":[' * 300_000, "damaged json_stats"),
    "records": ("record", b"\0" + b'{"a":' * 100_000, "cannot be read"),
    "pickle": ("weights", pickle.dumps({"fc.weight": Code()}), "damaged"),
    "pickle in a table": ("trace", pickle.dumps(Code()), ""),
    "PostScript": ("image", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) (w) file\n", "as an image"),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_one_line(name: str, tmp_path: Path) -> None:
    target, data, said = BOMBS[name]
    message = attempt(TARGETS[target].read, data, tmp_path)
    assert message and said in message
    assert not Path("/tmp/ablate-hostile-ran").exists()


def test_a_file_without_an_end_is_not_read_to_it() -> None:
    with watched():
        with pytest.raises(StudyError, match="/dev/zero has more than 262144 bytes"):
            load_experiment("/dev/zero")
        with pytest.raises(RecordError, match="/dev/zero: more than"):
            draft_torchnet(Path("/dev/zero"), "cifar10", "meanstd", 10, (3, 32, 32))


def test_an_image_is_opened_by_what_it_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A .png that is PostScript would be handed to Ghostscript."""
    asked = []
    monkeypatch.setattr(Image, "open", lambda path, formats: asked.append(formats))
    (tmp_path / "x.png").touch()
    with pytest.raises(DataError):
        open_image(tmp_path / "x.png")
    assert asked and "EPS" not in asked[0]


@pytest.mark.parametrize("member", ["../outside", "{}/outside", "link"])
def test_an_archive_stays_in_its_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, member: str) -> None:
    root = tmp_path / "data"
    root.mkdir()
    path = root / torchvision.datasets.CIFAR10.filename
    with tarfile.open(path, "w:gz") as archive:
        entry = tarfile.TarInfo(member.format(tmp_path))
        if member == "link":
            entry.type, entry.linkname = tarfile.SYMTYPE, str(tmp_path)
            archive.addfile(entry)
            entry = tarfile.TarInfo("link/outside")
        entry.size = 1
        archive.addfile(entry, io.BytesIO(b"x"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # what is watched may write there
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "tgz_md5", hashlib.md5(path.read_bytes()).hexdigest())
    with watched(), pytest.raises(DataError, match="could not be downloaded"):
        load_images("cifar10", 32, Location(root, tmp_path / "cache", download=True))
    assert not (tmp_path / "outside").exists()


def test_a_merge_copies_no_link(tmp_path: Path) -> None:
    experiment = recorded(tmp_path, TWO, {0: [10.0]})
    (trial, *_) = experiment.trials()
    secret = tmp_path / "secret"
    secret.write_text("mine")
    place = experiment.runs / trial.id
    (place / "log.txt").symlink_to(secret)
    (place / "endless").symlink_to("/dev/zero")
    merge_runs([experiment.runs], tmp_path / "into")
    merged = {path.name for path in (tmp_path / "into" / trial.id).iterdir()}
    assert merged == {"trial.json", "epochs.jsonl", "result.json"} and secret.read_text() == "mine"


def test_a_lock_that_is_a_link_leaves_what_it_leads_to(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("mine")
    place = tmp_path / "runs" / ("0" * 16)
    place.mkdir(parents=True)
    (place / "lock").symlink_to(secret)
    append_epoch(place, {"epoch": 1})
    trial_state(tmp_path / "runs", place.name)
    assert secret.read_text() == "mine"


def test_the_command_ends_with_one_line(tmp_path: Path) -> None:
    """From the outside: no traceback, whatever bytes a file's name has and whatever the terminal can show."""
    path = tmp_path / "a\udcff\x1b[31m.yaml"
    path.write_text(ALIASES)
    command = [sys.executable, "-m", "ablate", "plan", str(path)]
    done = subprocess.run(command, capture_output=True, env={"PYTHONIOENCODING": "ascii", "PYTHONPATH": ":".join(sys.path)})
    lines = done.stderr.decode("ascii").splitlines()
    assert done.returncode == 2 and len(lines) == 1 and lines[0].startswith("error: ") and "\x1b" not in lines[0]
