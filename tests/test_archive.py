"""An archive of a study: the same bytes again, no path of this machine, and commands that work where it is unpacked."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from recorded import DIGITS, record, record_program

from ablate.api import load_study
from ablate.archive import MOST_CODE, archive_members, local_paths, write_archive
from ablate.errors import RunError, StudyError
from ablate.network_experiment import Experiment
from ablate.program_experiment import ProgramExperiment
from ablate.report.program_report import ProgramReport
from ablate.report.study_report import StudyReport
from ablate.report.trace import trace_cell

NET = """\
from torch import nn
from parts.middle import width

def build(num_classes=10):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.Linear(width, num_classes))
"""
SMALL = {"mine/README.txt": b"", "mine/versions.txt": b""}
STUDY = f"{DIGITS}seeds: 1\nvariants:\n  - net: WRN-10-1\n  - net: {{python: my_net:build}}\n"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    for kind in (StudyReport, ProgramReport):
        monkeypatch.setattr(kind, "draw_figures", lambda report: {})


@pytest.fixture
def made(tmp_path: Path) -> Experiment:
    folder = tmp_path / "here"
    (folder / "parts").mkdir(parents=True)
    (folder / "my_net.py").write_text(NET)
    (folder / "parts" / "__init__.py").write_text("")
    (folder / "parts" / "middle.py").write_text("width = 8\n")
    (folder / "secret.txt").write_text("not part of the study")
    (folder / "invented.yaml").write_text(STUDY)
    found = load_study(folder / "invented.yaml", runs=folder / "runs")
    assert isinstance(found, Experiment)
    for trial in found.trials():
        record(found.runs, trial, 5.0)
        (found.runs / trial.id / "checkpoint-000002.pt").write_bytes(b"weights")
    return found


def test_it_has_all_that_the_commands_need_and_no_more(made: Experiment, tmp_path: Path) -> None:
    file = made.study.folder / "invented.yaml"
    members = archive_members(made, file, ["--scale", "small"])
    names = {name.removeprefix("invented/") for name in members}
    assert {"README.txt", "versions.txt", "invented.yaml", "my_net.py", "parts/__init__.py", "parts/middle.py"} <= names
    assert not [name for name in names if "checkpoint" in name or "secret" in name or "lock" in name or "log" in name]
    assert "ablate verify invented.yaml --scale small" in members["invented/README.txt"].decode()
    assert "torch 2.15" in members["invented/versions.txt"].decode()
    assert local_paths(members, made) == []
    without = archive_members(made, file, logits=False)["invented/README.txt"].decode()
    assert "ablate report invented.yaml --replace" in without
    for path in (tmp_path / "one.zip", tmp_path / "two.zip"):
        write_archive(archive_members(made, file, ["--scale", "small"]), path)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_report_and_trace_work_where_it_is_unpacked(
    made: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = archive_members(made, made.study.folder / "invented.yaml")
    write_archive(members, tmp_path / "a.zip")
    zipfile.ZipFile(tmp_path / "a.zip").extractall(tmp_path / "there")
    made.study.folder.rename(tmp_path / "gone")
    monkeypatch.chdir(tmp_path / "there" / "invented")
    there = load_study("invented.yaml")
    assert there.status()["states"] == {"recorded": 2}
    there.report().write("reports")
    again = {path.as_posix(): path.read_bytes() for path in Path("reports").glob("invented/*.*")}
    assert again == {name.removeprefix("invented/"): data for name, data in members.items() if "/reports/" in name}
    assert len(trace_cell(Path("reports/invented/table.csv"), "1,median_test_error").trials) == 1


def test_without_the_images_the_records_say_what_images_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    for part in ("train/a", "train/b", "test/a", "test/b"):
        (here / "photos" / part).mkdir(parents=True)
        Image.new("RGB", (12, 12)).save(here / "photos" / part / "0.png")
    (here / "sizes.txt").write_text("8")
    (here / "my_images.py").write_text(
        "import numpy as np\nfrom pathlib import Path\n\ndef load(root, times=1):\n"
        "    side = times * int((Path(root) / 'sizes.txt').read_text())\n"
        "    part = np.zeros((9, side, side), np.uint8), np.arange(9) % 3\n    return {'train': part, 'test': part}\n"
    )
    (here / "mine.yaml").write_text(
        "name: mine\ndata: {name: image_folder, root: photos}\nrecipe: {base: wrn_cifar, epochs: 2, batch_size: 2}\n"
        "seeds: 1\nvariants:\n  - net: WRN-10-1\n"
        "  - {grid: {net: WRN-10-1, data.args.times: [2, 3]}, data: {python: my_images:load, root: .}}\n"
    )
    made = load_study(here / "mine.yaml", runs=here / "runs")
    assert isinstance(made, Experiment)
    for trial in made.trials():
        record(made.runs, trial, 5.0)
    write_archive(archive_members(made, here / "mine.yaml"), tmp_path / "a.zip")
    zipfile.ZipFile(tmp_path / "a.zip").extractall(tmp_path / "there")
    monkeypatch.chdir(tmp_path / "there" / "mine")
    monkeypatch.setenv("ABLATE_CACHE", str(tmp_path / "cache"))
    there = load_study("mine.yaml")
    assert isinstance(there, Experiment) and there.status()["states"] == {"recorded": 3}
    assert [one.data.input_shape for one in there.variants] == [(3, 12, 12), (1, 16, 16), (1, 24, 24)]
    there.report().write("reports")
    with pytest.raises(StudyError, match=r"data\.root: train/<class>/\* not found in .*photos; correct the path, or write"):
        load_study("mine.yaml", runs="empty")


def test_a_program_is_packed_with_its_files(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print({})\n")
    (tmp_path / "settings.json").write_text("{}")
    (tmp_path / "__init__.py").write_text("")
    for name in ("table.csv", "images.bin"):
        (tmp_path / name).write_bytes(bytes(MOST_CODE + 1))
    (tmp_path / "invented.yaml").write_text(
        "name: invented\nprogram:\n  command: python train.py settings.json images.bin ../out --lr {lr} --seed {seed}\n"
        "  files: ['*.py', table.csv]\n"
        "measures: [{name: accuracy, goal: maximize}]\nseeds: 1\nvariants:\n  - grid: {lr: [0.1, 0.2]}\n"
    )
    made = load_study(tmp_path / "invented.yaml", runs=tmp_path / "runs")
    assert isinstance(made, ProgramExperiment)
    for trial in made.trials():
        record_program(made.runs, trial, [{"epoch": 1, "accuracy": 0.5}])
    members = archive_members(made, tmp_path / "invented.yaml")
    names = {name.removeprefix("invented/") for name in members}
    assert {"train.py", "__init__.py", "table.csv", "settings.json"} <= names
    assert not any(".." in name or name == "images.bin" for name in names)
    assert members["invented/README.txt"].endswith(b"not in the archive, nor are large files of its command: images.bin.\n")


def test_without_a_record_there_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "invented.yaml").write_text(f"{DIGITS}seeds: 1\nvariants:\n  - net: WRN-10-1\n")
    with pytest.raises(RunError, match="no trial of invented is recorded"):
        archive_members(load_study(tmp_path / "invented.yaml", runs=tmp_path / "runs"), tmp_path / "invented.yaml")


def test_a_file_that_is_no_archive_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("name: mine\n")
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as photos:
        photos.writestr("photos/cat.png", b"a cat")
    for name in ("study.yaml", "photos.zip"):
        before = (tmp_path / name).read_bytes()
        with pytest.raises(RunError, match="is there and is no archive of a study"):
            write_archive(SMALL, tmp_path / name)
        assert (tmp_path / name).read_bytes() == before


def test_a_killed_write_leaves_the_archive_of_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_archive(SMALL, tmp_path / "a.zip")
    before = (tmp_path / "a.zip").read_bytes()

    def dying(*words: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("ablate.files.os.replace", dying)
        write_archive({**SMALL, "mine/study.yaml": b"new"}, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_a_folder_of_this_machine_in_a_study_file_is_said(made: Experiment) -> None:
    members = {"invented/invented.yaml": f"root: {made.study.folder.resolve()}/photos\n".encode()}
    (line,) = local_paths(members, made)
    assert line.startswith("invented/invented.yaml names a folder of this machine: ")


def test_the_studies_that_a_file_names_are_packed_with_their_own_code(made: Experiment, tmp_path: Path) -> None:
    folder = made.study.folder
    (folder / "both.yaml").write_text("name: both\nstudies: [invented.yaml]\n")
    both = load_study(folder / "both.yaml", runs=folder / "runs")
    names = {name.removeprefix("both/") for name in archive_members(both, folder / "both.yaml")}
    assert {"both.yaml", "invented.yaml", "my_net.py", "parts/middle.py"} <= names
    (tmp_path / "outside.yaml").write_text("name: outside\nstudies: [here/invented.yaml, ../x.yaml]\n")
    with pytest.raises(StudyError, match=r"studies: \.\./x\.yaml is not below the folder of outside\.yaml"):
        archive_members(both, tmp_path / "outside.yaml")
