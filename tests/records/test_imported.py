"""The authors' logs, in their format, with what stands around the lines in them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from ablate.commands.outcome_text import imported_text
from ablate.errors import AblateError, RecordError
from ablate.records.epochs import EPOCH_FIELDS, read_epochs
from ablate.records.imported import draft_torchnet, imported_id, read_imported, write_imported
from ablate.records.records import read_record
from ablate.records.torchnet import Log, read_log

BANNER = """\
{
  epoch_step : \n    {
      1 : 60
    }
  model : "wide-resnet"
}
==> loading data\t
nn.Sequential {
  [input -> (1) -> output]
}
Network has \t8949210\tparameters\t
"""
OPTIONS = {
    "model": "wide-resnet", "depth": 40, "widen_factor": 4, "dropout": 0, "num_classes": 10, "max_epoch": 3,
    "epoch_step": [60, 120, 160], "dataset": "./datasets/cifar10_whitened.t7", "n_parameters": 8949210,
}  # fmt: skip
ACCURACIES = (58.57, 95.08, 94.89)
CIFAR10: tuple[int, tuple[int, int, int]] = (10, (3, 32, 32))


def line(epoch: Any, **changes: Any) -> str:
    """A line as the authors' code prints it, Lua's escaped slashes and its tab at the end included."""
    said = {"epoch": epoch, "lr": 0.1, "loss": 1.5 / epoch if isinstance(epoch, int) else 1.0}
    said |= {"test_acc": ACCURACIES[(epoch - 1) % 3] if isinstance(epoch, int) else 50, "train_time": 290.5}
    said |= {"test_time": 16.5}
    values = {key: value for key, value in {**OPTIONS, **said, **changes}.items() if value is not ...}
    return "json_stats: " + json.dumps(values, separators=(",", ":")).replace("/", "\\/") + "\t\n"


def read(*lines: str, preprocess: str = "zca", net: str | None = None, banner: str = BANNER) -> Log:
    return read_log("log.txt", (banner + "".join(lines)).encode(), preprocess, *CIFAR10, net)


def test_a_log_becomes_epochs_in_percent_and_seconds() -> None:
    log = read(*(f"==> online epoch # {n} [batchSize = 128]\t\n{line(n)}" for n in (1, 2, 3)))
    assert (log.net, log.parameters, log.planned_epochs, log.remarks) == ("WRN-40-4", 8949210, 3, [])
    assert [row["test_error"] for row in log.rows] == [41.43, 4.92, 5.11]
    assert log.rows[2] == {
        "epoch": 3, "lr": 0.1, "train_loss": 0.5, "train_error": None, "test_loss": None, "test_error": 5.11,
        "train_seconds": 290.5, "test_seconds": 16.5,
    }  # fmt: skip
    assert all(tuple(row) == EPOCH_FIELDS for row in log.rows)


def test_a_later_log_has_the_training_error_too() -> None:
    (row,) = read(line(1, train_loss=0.25, train_acc=92.5, test_loss=0.75, loss=9.0)).rows
    assert (row["train_loss"], row["train_error"], row["test_loss"]) == (0.25, 7.5, 0.75)


@pytest.mark.parametrize(
    "around",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "".join(f" [====>....] ETA: 3s\r{part}\n" for part in text.splitlines()),
        lambda text: "".join(f"\x1b[34m{part}\x1b[0m\n" for part in text.splitlines()),
        lambda text: text.rstrip(),
        lambda text: text + "\xff\x00 killed\n" + "json_stats\n",
    ],
    ids=["CRLF", "progress bars", "colours", "no newline at the end", "other bytes"],
)
def test_what_surrounds_the_lines_is_passed_over(around: Any) -> None:
    text = BANNER + line(1) + line(2)
    assert read(around(text), banner="").rows == read(text).rows


def test_a_last_line_that_is_cut_off_is_passed_over_and_said() -> None:
    log = read(line(1), line(2), line(3)[:150])
    at = BANNER.count("\n") + 3
    assert [row["epoch"] for row in log.rows] == [1, 2]
    assert log.remarks == [f"log.txt:{at}: a damaged json_stats is skipped"]


def test_where_a_run_was_resumed_the_later_epochs_count() -> None:
    log = read(line(1), line(2, test_acc=10), line(3, test_acc=20), line(2, test_acc=30), line(3, test_acc=40))
    assert [row["test_error"] for row in log.rows] == [41.43, 70, 60]
    assert "resumed at epoch 2; the earlier 2 to 3 do not count" in log.remarks[0]
    # What an abandoned attempt trained past the resumed one does not stand for it.
    assert len(read(line(1), line(2), line(3), line(2)).rows) == 2


@pytest.mark.parametrize(
    ("options", "net", "parameters"),
    [
        ({}, "WRN-40-4", 8949210),
        ({"dropout": 0.3}, "WRN-40-4-dropout0.3", 8949210),
        ({"depth": 28, "widen_factor": 10, "n_parameters": 36479194}, "WRN-28-10", 36479194),
        ({"model": ..., "n_parameters": ...}, "WRN-40-4", 8949210),
        ({"model": "resnet-pre-act", "depth": 164, "widen_factor": 1, "n_parameters": 1703258}, "pre-ResNet-164", 1703258),
        ({"model": "nin", "n_parameters": 1007242}, "NIN", 1007242),
        ({"model": "vgg", "n_parameters": 20035018}, "VGG", 20035018),
    ],
)
def test_the_network_is_read_and_its_parameters_are_those_published(
    options: dict[str, Any], net: str, parameters: int
) -> None:
    log = read(line(1, **options))
    assert (log.net, log.parameters) == (net, parameters)


def test_a_network_can_be_said_instead() -> None:
    assert read(line(1, model="mine", depth=...), net="WRN-40-4").net == "WRN-40-4"
    with pytest.raises(RecordError, match=r"n_parameters is 8949210, but WRN-28-10 has 36479194"):
        read(line(1), net="WRN-28-10")


AT = BANNER.count("\n") + 1


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([line(2)], f"log.txt:{AT}: epoch: found 2 first; allowed: 1"),
        ([line(1), line(3)], f"log.txt:{AT + 1}: epoch: found 3 after 1; allowed: 2, or an earlier one of a resumed run"),
        ([line(1), line(2)[:99] + "\n", line(3)], f"allowed: 2, or an earlier one of a resumed run (log.txt:{AT + 1}: "),
        ([line(...)], f"log.txt:{AT}: epoch: found nothing; allowed: 1"),
        ([line(1.5)], f"log.txt:{AT}: epoch: found 1.5; allowed: a whole number"),
        ([line("1/200")], f"log.txt:{AT}: epoch: found '1/200'; allowed: a number from 1"),
        ([line(1, test_acc=100.5)], f"log.txt:{AT}: test_acc: found 100.5; allowed: a number from 0 to 100"),
        ([line(1, test_acc=float("nan"))], f"log.txt:{AT}: test_acc: found nan; allowed: a number from 0 to 100"),
        ([line(1, test_acc=...)], f"log.txt:{AT}: test_acc is missing; allowed: a percentage"),
        ([line(1, loss="low")], f"log.txt:{AT}: loss: found 'low'; allowed: a number"),
        ([line(1, n_parameters=8949211)], f"log.txt:{AT}: n_parameters is 8949211, but WRN-40-4 has 8949210"),
        ([line(1, num_classes=100)], f"log.txt:{AT}: num_classes is 100, but `data` has 10"),
        ([line(1, model="wide-resnot")], "found 'wide-resnot'; did you mean 'wide-resnet'?"),
        ([line(1, depth=...)], f"log.txt:{AT}: depth is missing"),
        ([line(1, depth=41)], f"log.txt:{AT}: "),
        (
            [line(1), line(1, depth=28)],
            f"log.txt:{AT + 1}: depth: found 28, 40 at log.txt:{AT}; allowed: the log of one run",
        ),
        ([], "log.txt: no line has json_stats"),
        ([line(1)[:40]], "a damaged json_stats is skipped"),
    ],
)
def test_what_contradicts_itself_is_refused_with_its_place(lines: list[str], message: str) -> None:
    with pytest.raises(AblateError) as caught:
        read(*lines)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_whitened_log_is_zca() -> None:
    with pytest.raises(RecordError, match=r"cifar10_whitened\.t7 is whitened, but `preprocess` is meanstd; use zca"):
        read(line(1), preprocess="meanstd")


def write_log(path: Path, *lines: str) -> Path:
    path.write_text(BANNER + "".join(lines))
    return path


def test_imported_records_are_read_back_and_importing_again_changes_nothing(tmp_path: Path) -> None:
    runs, path = tmp_path / "runs", write_log(tmp_path / "log.txt", line(1), line(2), line(3))
    draft = draft_torchnet(path, "cifar10", "zca", *CIFAR10)
    assert write_imported(runs, draft)
    directory = runs / "imported" / draft.id
    before = {file.name: (file.read_bytes(), os.stat(file).st_mtime_ns) for file in directory.iterdir()}
    assert set(before) == {"trial.json", "epochs.jsonl", "result.json"}
    assert not write_imported(runs, draft_torchnet(path.rename(tmp_path / "other.txt"), "cifar10", "zca", *CIFAR10))
    assert {file.name: (file.read_bytes(), os.stat(file).st_mtime_ns) for file in directory.iterdir()} == before

    (imported,) = read_imported(runs)
    assert (imported.id, imported.label, imported.net) == (draft.id, "WRN-40-4, authors' log", "WRN-40-4")
    assert (imported.data, imported.preprocess, imported.source) == ("cifar10", "zca", "log.txt")
    assert imported.network == {"N": 6, "k": 4.0, "block": (3, 3), "dropout": 0.0, "family": "WRN"}
    assert (imported.test_error, imported.best_test_error, imported.complete) == (5.11, 4.92, True)
    assert imported.epochs == draft.log.rows == read_epochs(directory)
    record = read_record(runs / "imported", draft.id)
    assert record is not None and record.result["imported"] is True and record.result["epoch_rule"] == "last"
    assert (record.result["train_seconds"], record.result["test_seconds"]) == (871.5, 49.5)
    assert str(tmp_path).encode() not in b"".join(content for content, _ in before.values())


def test_what_is_said_is_part_of_the_id(tmp_path: Path) -> None:
    path = write_log(tmp_path / "log.txt", line(1, dataset=...))
    ids = {draft_torchnet(path, "cifar10", preprocess, *CIFAR10).id for preprocess in ("zca", "meanstd")}
    ids.add(draft_torchnet(path, "svhn", "zca", *CIFAR10).id)
    ids.add(draft_torchnet(path, "cifar10", "zca", *CIFAR10, net="WRN-40-4-dropout0.3").id)
    assert len(ids) == 4
    draft = draft_torchnet(path, "cifar10", "zca", *CIFAR10, net="WRN-40-4")
    assert draft.id == imported_id(draft.definition) and len(draft.id) == 16
    assert draft.id in ids  # the network that the log itself says


def test_a_log_that_ends_early_says_so_and_a_diverged_one_has_no_error(tmp_path: Path) -> None:
    short = draft_torchnet(write_log(tmp_path / "short", line(1), line(2)), "cifar10", "zca", *CIFAR10)
    nan = draft_torchnet(write_log(tmp_path / "nan", line(1, loss=float("nan"), max_epoch=1)), "cifar10", "zca", *CIFAR10)
    for draft in (short, nan):
        write_imported(tmp_path, draft)
    by_id = {imported.id: imported for imported in read_imported(tmp_path)}
    assert by_id[short.id].label == "WRN-40-4, authors' log, 2 of 3 epochs" and not by_id[short.id].complete
    assert by_id[nan.id].test_error is None and by_id[nan.id].epochs[0]["train_loss"] is None


@pytest.mark.parametrize("name", ["trial.json", "epochs.jsonl"])
def test_a_damaged_import_is_named(tmp_path: Path, name: str) -> None:
    draft = draft_torchnet(write_log(tmp_path / "log.txt", line(1)), "cifar10", "zca", *CIFAR10)
    write_imported(tmp_path, draft)
    (tmp_path / "imported" / draft.id / name).write_bytes(b"{")
    with pytest.raises(
        RecordError,
        match=f"{draft.id}: damaged(, its epochs.jsonl is not that|; remove it and import)",
    ):
        read_imported(tmp_path)


def test_an_import_that_was_killed_is_begun_again(tmp_path: Path) -> None:
    assert read_imported(tmp_path) == []
    draft = draft_torchnet(write_log(tmp_path / "log.txt", line(1)), "cifar10", "zca", *CIFAR10)
    directory = tmp_path / "imported" / draft.id
    directory.mkdir(parents=True)
    (directory / "epochs.jsonl").write_bytes(b'{"epoch": 1')
    assert read_imported(tmp_path) == []
    assert write_imported(tmp_path, draft) and len(read_imported(tmp_path)) == 1
    shutil.copytree(directory, directory.with_name(f".{draft.id}.merging"))  # a merge that was killed
    assert len(read_imported(tmp_path)) == 1


def test_a_log_that_ends_in_nan_is_said_to_have_diverged(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text(line(1) + line(2) + line(3).replace('"loss":0.5', '"loss":NaN'))
    assert imported_text(draft_torchnet(path, "cifar10", "zca", *CIFAR10)) == (
        "WRN-40-4, 3 epochs, diverged (best test error 4.92 %)"
    )
