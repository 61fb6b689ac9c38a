"""`precision: auto` beside records: they are found whatever the processor prefers, and nothing is trained twice."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from recorded import DIGITS, recorded, written

from ablate.api import load_experiment, load_study
from ablate.archive import archive_members, write_archive
from ablate.errors import RunError, StudyError
from ablate.kept_experiment import with_kept_records
from ablate.launch.options import RunOptions
from ablate.network_experiment import Experiment
from ablate.records.kept import FOLDER
from ablate.records.merge import merge_runs
from ablate.records.remembered import PRECISION as NAME
from ablate.records.remembered import ChosenPrecision, remembered_precision
from ablate.report.study_report import StudyReport
from ablate.study.spec import load_any_study
from ablate.train import precision

REPOSITORY = Path(__file__).parents[1]
AUTO = DIGITS.replace("batch_size: 32", "batch_size: 32, precision: auto")
ONE = f"{AUTO}seeds: 2\nvariants:\n  - net: WRN-10-1\n"
QUIET = RunOptions("cpu", inline=True, quiet=True)


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Says whether the processor is fast with bfloat16."""

    def change(bfloat16: bool) -> None:
        monkeypatch.setattr(precision, "cpu_flags", lambda: frozenset({"amx_bf16"} if bfloat16 else ()))

    change(True)
    monkeypatch.setattr(precision, "cpu_model", lambda: "a processor")
    monkeypatch.setattr(StudyReport, "draw_figures", lambda report: {})
    return change


@pytest.fixture
def made(tmp_path: Path, fast: Callable[[bool], None]) -> Experiment:
    """A study of `precision: auto` that is recorded in bfloat16; the processor that is here now is slow with it."""
    found = recorded(tmp_path, ONE, {0: [5.0, 6.0]})
    assert found.study.auto_precision == "bfloat16"
    fast(False)
    return found


def of(folder: Path, runs: Path) -> Experiment:
    found = load_study(folder / "invented.yaml", runs=runs, device="cpu")
    assert isinstance(found, Experiment)
    return found


def test_records_decide_what_auto_is(made: Experiment, tmp_path: Path) -> None:
    """As in a directory of an earlier version, whose studies named the precision: no precision.json."""
    assert not (made.runs / NAME).exists()
    again = of(tmp_path, made.runs)
    assert again.status()["states"] == {"recorded": 2}
    assert f"recipe.precision: auto is bfloat16, as in the records of {made.runs}" in again.remarks()
    empty = of(tmp_path, tmp_path / "empty")
    assert empty.study.auto_precision == "float32"
    assert "recipe.precision: auto is float32, the fastest on this machine" in empty.remarks()


def test_nothing_is_trained_twice(made: Experiment, tmp_path: Path) -> None:
    assert of(tmp_path, made.runs).run(QUIET).exit_code == 0  # all is recorded
    shutil.rmtree(made.runs / made.trials()[1].id)
    with pytest.raises(RunError) as error:
        of(tmp_path, made.runs).run(QUIET)
    assert str(error.value) == (
        f"recipe.precision: auto is bfloat16 in {made.runs}, for the device of its records; "
        "for a processor (without bfloat16) it is float32; use another directory, or run with -s recipe.precision=bfloat16"
    )
    assert of(tmp_path, made.runs).status()["states"] == {"recorded": 1, "missing": 1}


def test_a_precision_of_the_command_line_is_that_of_every_recipe(made: Experiment, tmp_path: Path) -> None:
    """It is the remedy of the line above, also where a variant has a recipe of its own."""
    own = "  - {net: WRN-10-2, recipe: {base: adam, epochs: 2, batch_size: 32, precision: auto}}\n"
    (tmp_path / "invented.yaml").write_text(ONE + own)
    study = load_experiment(tmp_path / "invented.yaml", ["recipe.precision=bfloat16"], runs=made.runs).study
    assert {one.recipe.precision for one in study.entries} == {"bfloat16"}  # type: ignore[union-attr]
    assert study.auto_precision == ""  # type: ignore[union-attr]


def test_it_travels_with_a_report_a_merge_an_archive_and_a_copy(made: Experiment, tmp_path: Path) -> None:
    reports, kept = tmp_path / "reports", tmp_path / "reports" / "invented" / FOLDER
    of(tmp_path, made.runs).report().write(reports)
    chosen = ChosenPrecision("bfloat16", "a processor")
    assert remembered_precision(kept) == chosen
    before = {path: path.read_bytes() for path in reports.rglob("*") if path.is_file()}
    found, told = with_kept_records(partial(load_study, tmp_path / "invented.yaml"), tmp_path / "none", reports)
    assert "the records are read from" in told and found.status()["states"] == {"recorded": 2}
    found.report().write(reports)
    assert {path: path.read_bytes() for path in reports.rglob("*") if path.is_file()} == before
    assert b"bfloat16" in (reports / "invented" / "table.md").read_bytes()

    merge_runs([kept], tmp_path / "merged")
    shutil.copytree(kept, tmp_path / "copied")
    write_archive(archive_members(of(tmp_path, made.runs), tmp_path / "invented.yaml"), tmp_path / "invented.zip")
    zipfile.ZipFile(tmp_path / "invented.zip").extractall(tmp_path / "unpacked")
    for runs in (tmp_path / "merged", tmp_path / "copied", tmp_path / "unpacked" / "invented" / "runs"):
        assert remembered_precision(runs) == chosen
        assert of(tmp_path, runs).status()["states"] == {"recorded": 2}


def test_a_report_of_a_named_precision_has_no_such_file(tmp_path: Path, fast: Callable[[bool], None]) -> None:
    """Else two reports with different precisions in one runs directory could not be merged again."""
    recorded(tmp_path, ONE, {0: [5.0, 6.0]})
    (tmp_path / "runs" / NAME).write_bytes(ChosenPrecision("bfloat16", "a processor").as_bytes())
    named = written(tmp_path, ONE.replace("auto", "bfloat16"))
    named.report().write(tmp_path / "reports")
    assert not (tmp_path / "reports" / "invented" / FOLDER / NAME).exists()


def test_a_value_of_a_search_is_found_whatever_the_processor_prefers(
    tmp_path: Path, fast: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    reports = REPOSITORY / "reports" / "cifar_fast_search_small"
    shutil.copytree(REPOSITORY / "studies", tmp_path / "studies")
    shutil.copytree(reports, tmp_path / "reports" / reports.name)
    (tmp_path / "runs").mkdir()
    shutil.copy(reports / FOLDER / "images.json", tmp_path / "runs")
    path = tmp_path / "studies" / "invented.yaml"
    path.write_text(f"{DIGITS}seeds: 2\nvariants:\n  - grid: {{net: WRN-10-1, recipe.lr: {{from: {reports.name}}}}}\n")
    for bfloat16 in (True, False):
        fast(bfloat16)
        found = load_experiment(path, runs=tmp_path / "runs", device="cpu")
        assert isinstance(found, Experiment) and found.variants[0].recipe.lr == 1.27306
    best = tmp_path / "reports" / reports.name / "best.yaml"
    best.write_text(best.read_text().replace("digest: 9", "digest: 8"))
    with pytest.raises(StudyError, match="has changed since"):
        load_experiment(path, runs=tmp_path / "runs", device="cpu")


@pytest.mark.parametrize("bfloat16", [True, False])
@pytest.mark.parametrize("report", sorted(path.parent.parent for path in REPOSITORY.glob(f"reports/*/{FOLDER}/{NAME}")))
def test_committed_records_are_found_on_any_processor(report: Path, bfloat16: bool, fast: Callable[[bool], None]) -> None:
    fast(bfloat16)
    scale = report.name.rpartition("_")[2]
    files = [
        path
        for path in (REPOSITORY / "studies").glob("*.yaml")
        if f"\nname: {report.name[: -len(scale) - 1]}\n" in path.read_text()
    ]
    found = load_experiment(files[0], scale=scale, runs=report / FOLDER, device="cpu")
    assert found.begun
    recorded = {json.loads(path.read_text())["recipe"]["precision"] for path in (report / FOLDER).glob("*/trial.json")}
    assert {found.study.auto_precision} == recorded  # type: ignore[union-attr]


def test_small_scales_name_no_precision(fast: Callable[[bool], None]) -> None:
    """On many processors bfloat16 is emulated: thirteen times slower than float32."""
    for path in sorted((REPOSITORY / "studies").glob("*.yaml")):
        text = path.read_text()
        assert "precision: bfloat16" not in text, path
        for scale in ("small", "laptop"):
            if f"\n  {scale}:\n" in text and "precision: auto" in text and "\nstudies:" not in text:
                for name in ("float32", "bfloat16"):
                    study = load_any_study(path, scale=scale, precision=lambda name=name: name)
                    assert getattr(study, "auto_precision", "") in ("", name)
