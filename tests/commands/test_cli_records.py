"""trace, verify, import, export and merge through the entry point, on the records of one small study."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from conftest import TINY
from console import Command

from ablate.api import load_study
from ablate.launch.options import RunOptions

pytestmark = pytest.mark.usefixtures("unrendered")

LOG = """\
Network has \t8949210\tparameters\t
json_stats: {"model":"wide-resnet","depth":40,"widen_factor":4,"max_epoch":2,"epoch":1,"lr":0.1,"test_acc":95.08,"loss":1}\t
json_stats: {"model":"wide-resnet","depth":40,"widen_factor":4,"max_epoch":2,"epoch":2,"lr":0.1,"test_acc":94.89,"loss":1}\t
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of two trials with its records and its report."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "tiny.yaml").write_text(TINY.replace("seeds: 2", "seeds: 1").replace("epochs: 3", "epochs: 2"))
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ABLATE_CACHE", str(folder / "cache"))
        experiment = load_study(folder / "tiny.yaml", runs=folder / "runs")
        assert experiment.run(RunOptions(inline=True, quiet=True)).exit_code == 0
    return folder


@pytest.fixture(autouse=True)
def copied(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "runs", tmp_path / "runs")
    shutil.copy(trained / "tiny.yaml", tmp_path)


def test_verify_says_bit_equal(ablate: Command) -> None:
    verified = ablate("verify", "tiny.yaml", "--trials", 1, "--slots", 1)
    assert verified.returncode == 0, verified.stderr
    assert "bit-equal, on the same device" in verified.stdout
    assert "1 of 1 bit-equal, chosen from 2 recorded trials with --seed " in verified.stdout
    none = ablate("verify", "tiny.yaml", "--trials", 3)
    assert none.returncode == 2 and none.stderr.endswith("error: --trials: 3 asked for, 2 recorded; use 1 to 2\n")


@pytest.mark.parametrize("seeds", ["1", "{from: 2, to: 6, until: decided}"])
def test_status_shows_all_trials_and_names_each_damaged_record(ablate: Command, tmp_path: Path, seeds: str) -> None:
    study = tmp_path / "tiny.yaml"
    study.write_text(study.read_text().replace("seeds: 1", f"seeds: {seeds}"))
    whole, other = sorted((tmp_path / "runs").glob("*/result.json"))
    whole.write_bytes(whole.read_bytes()[:-9])
    one = ablate("status", study)
    assert one.returncode == 2 and "1 damaged" in one.stdout and "1 recorded" in one.stdout
    assert one.stderr == "error: 1 damaged record, each named above with what is wrong\n"
    (line,) = (line for line in one.stdout.splitlines() if line.startswith("damaged: "))
    assert str(whole.relative_to(tmp_path)) in line and "remove it and run again" in line
    other.write_bytes(b"")
    both = ablate("status", study, "--json")
    value = json.loads(both.stdout)
    assert both.returncode == 2 and value["states"]["damaged"] == 2
    causes = [trial["cause"] for trial in value["trials"] if trial["state"] == "damaged"]
    assert all("result.json" in cause for cause in causes)


def test_a_cell_of_a_report_is_traced(ablate: Command, tmp_path: Path) -> None:
    assert ablate("report", "tiny.yaml").returncode == 0
    table = tmp_path / "reports" / "tiny" / "table.csv"
    traced = ablate("trace", table, "--cell", "WRN-10-0.25-B(3,1),median_test_error")
    assert traced.returncode == 0, traced.stderr
    value = json.loads(ablate("trace", table, "--cell", "2,median_test_error", "--json").stdout)
    (trial,) = value["trials"]
    assert trial["id"] in traced.stdout and value["selected"] == [trial["id"]]
    assert value["value"] == str(trial["test_error"]) and (tmp_path / "runs" / trial["id"]).is_dir()
    wrong = ablate("trace", table, "--cell", "3,median_test_error")
    assert wrong.returncode == 2 and wrong.stderr.count("\n") == 1 and "allowed: 1 to 2" in wrong.stderr
    missing = ablate("trace", table.with_name("none.csv"), "--cell", "1,1")
    assert missing.returncode == 2 and "none.csv: No such file" in missing.stderr


def test_a_log_is_imported_once(ablate: Command, tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text(LOG)
    words = ("import", "torchnet", "log.txt", "--data", "cifar10", "--preprocess", "zca")
    first, again = ablate(*words), ablate(*words)
    assert first.returncode == again.returncode == 0, first.stderr
    assert first.stdout.startswith("log.txt: WRN-40-4, 2 epochs, test error 5.11 % (best 4.92 %): runs/imported/")
    assert again.stdout == first.stdout.replace(": runs", ": imported before, runs")
    refused = ablate(*words, "--net", "WRN-40-5-B(3")
    assert refused.returncode == 2 and refused.stderr.startswith("error: network 'WRN-40-5-B(3'")
    (tmp_path / "bad.txt").write_text(LOG.replace('"epoch":2', '"epoch":4'))
    before = sorted((tmp_path / "runs" / "imported").iterdir())
    wrong = ablate("import", "torchnet", "log.txt", "bad.txt", "--data", "cifar100", "--preprocess", "zca")
    assert wrong.returncode == 2 and wrong.stderr.startswith("error: bad.txt:3: epoch: found 4 after 1; allowed: 2")
    assert sorted((tmp_path / "runs" / "imported").iterdir()) == before  # not the good one of the two either
    # What is imported is no trial of the study.
    assert "2 recorded" in ablate("status", "tiny.yaml").stdout


def test_export_says_where(ablate: Command, tmp_path: Path) -> None:
    done = ablate("export", "tiny.yaml", "--to", "csv", "--out", "tables")
    assert done.returncode == 0 and done.stderr == "2 files in tables/tiny\n", done.stderr
    assert (tmp_path / "tables" / "tiny" / "epochs.csv").read_text().count("\n") == 1 + 2 * 2
    done = ablate("export", "tiny.yaml", "--to", "state_dict")
    assert done.returncode == 0 and done.stderr.endswith("\n2 files in exports/tiny/state_dict\n"), done.stderr
    wrong = ablate("export", "tiny.yaml", "--to", "excel")
    assert wrong.returncode == 2 and "'excel'" in wrong.stderr


def test_merge_refuses_conflicts_and_says_what_it_leaves(ablate: Command, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "runs", tmp_path / "other")
    merged = ablate("merge", "runs", "other", "--into", "all")
    assert merged.returncode == 0 and merged.stdout == "all: recorded: 2 copied, 0 there already\n", merged.stderr
    result = next((tmp_path / "other").glob("*/result.json"))
    value = json.loads(result.read_text())
    value["data_digest"] = "0" * 16
    result.write_text(json.dumps({key: one for key, one in value.items() if "sha256" not in key}))  # of an earlier version
    refused = ablate("merge", "other", "--into", "all")
    first, second = refused.stderr.splitlines()
    name = result.parent.name
    assert refused.returncode == 2 and first.startswith(f"conflict: all/{name} and other/{name}: data_digest")
    assert second == "error: merge: 1 conflict; nothing is merged; move one of each pair away"
    result.write_text("{")
    damaged = ablate("merge", "other", "--into", "all")
    assert damaged.returncode == 3 and f"other/{name}/result.json" in damaged.stderr
    assert damaged.stdout == "all: recorded: 0 copied, 1 there already; skipped: 1\n"
