"""recipe.gpus: a trial on several devices, here processes on the CPU that exchange through gloo."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from ablate.data.location import Location
from ablate.errors import RunError
from ablate.nets.notation import parse_architecture
from ablate.processes.parent import startup_code
from ablate.records.epochs import read_epochs
from ablate.records.logits import read_logits
from ablate.records.records import read_record, trial_directory
from ablate.study.recipe import Recipe
from ablate.study.spec import load_study
from ablate.study.study import Trial
from ablate.train import testing as evaluation
from ablate.train.attempt import Attempt
from ablate.train.batches import TestBatches
from ablate.train.job import Job
from ablate.train.process_group import ProcessGroup
from ablate.train.randomness import stream_seed
from ablate.train.ranks import RankDied, train_on_ranks
from ablate.train.trial import train_trial

Made = Callable[..., Job]
Ranks = list["subprocess.Popen[bytes]"]


@pytest.fixture
def made(tiny: Path, tmp_path: Path) -> Made:
    """make(net, name of its records, fields of the recipe)."""
    torch.set_num_threads(1)
    study = load_study(tiny)

    def make(net: str, runs: str, **fields: Any) -> Job:
        recipe = Recipe.model_validate({**study.recipe.model_dump(), "epochs": 2, **fields})
        trial = Trial(parse_architecture(net), recipe, study.data, seed=3)
        return Job(trial, tmp_path / runs, Location(tmp_path, tmp_path / "cache"))

    return make


def train(job: Job, stop: Callable[[], bool] = lambda: False, report: Callable[[Any], None] = lambda row: None) -> str:
    return train_trial(job, stop, report)


def rows(job: Job) -> list[dict[str, Any]]:
    found = read_epochs(trial_directory(job.runs, job.trial.id))
    return [{key: value for key, value in row.items() if "seconds" not in key} for row in found]


def running(started: Ranks) -> Ranks:
    return [rank for rank in started if rank.poll() is None]


def test_two_processes_have_the_loss_curve_of_one_and_keep_all_logits_once(made: Made) -> None:
    balanced = {"class_weights": "balanced", "sampler": "balanced"}
    alike = {"ema": {"decay": 0.9}, "clip_norm": 0.5, "schedule": "cosine", **balanced}
    one = made("WRN-10-0.25", "one", **alike)
    two = made("WRN-10-0.25", "two", gpus=2, sync_batch_norm=True, **alike)
    assert (train(one), train(two)) == ("completed", "completed")
    assert one.trial.id != two.trial.id
    for alone, together in zip(rows(one), rows(two), strict=True):
        assert together == pytest.approx(alone, rel=1e-4)
    record = read_record(two.runs, two.trial.id)
    logits = read_logits(record) if record else None
    assert record and logits and len(logits.labels) == 64
    assert 100 * (logits.values.argmax(1) != logits.labels).sum() / 64 == record.eval_error


def by_hand(job: Job) -> list[float]:
    """The training losses of the first epoch's batches, each half normalized by itself, the gradients averaged."""
    attempt = Attempt(job, torch.device("cpu"))
    network, batches = attempt.network, attempt.training.batches
    attempt.start_epoch()
    network.train()
    batches.begin(1)
    losses = []
    for size in batches.sizes:
        images, labels = batches.take(size)
        attempt.optimizer.zero_grad()
        parts = [F.cross_entropy(network(x), y) for x, y in zip(images.chunk(2), labels.chunk(2))]
        (sum(parts) / 2).backward()  # type: ignore[union-attr]
        attempt.optimizer.step()
        losses.append(sum(part.item() for part in parts) / 2)
    return losses


def test_batch_norm_is_each_devices_own_and_neither_a_stop_nor_a_killed_rank_costs_a_bit(made: Made, forked: Ranks) -> None:
    job = made("WRN-10-0.25", "whole", gpus=2, epochs=3, ema=0.9)
    assert train(job) == "completed"
    losses = by_hand(made("WRN-10-0.25", "by_hand"))
    assert rows(job)[0]["train_loss"] == pytest.approx(sum(losses) / len(losses), rel=1e-5)
    assert rows(job)[0]["train_loss"] != pytest.approx(2.3315856, rel=1e-5)  # of one device

    broken, seen, killed = replace(job, runs=job.runs.with_name("broken")), [], []

    def kill(row: dict[str, Any]) -> None:
        seen.append(row["epoch"])
        if not killed:
            killed.extend(running(forked)[1:])
            killed[0].kill()

    assert train(broken, stop=lambda: True) == "interrupted" and len(rows(broken)) == 1
    assert train(broken, report=kill) == "completed"
    assert len(killed) == 1
    assert seen[0] == 2 and seen[-1] == 3
    assert rows(broken) == rows(job)
    assert not running(forked)


BREAKS = """
import pathlib, torch
from ablate.train import rank
mark, errors = pathlib.Path({mark!r}), ({errors})
def breaks(parent, job, number, *others):
    group = rank.join_process_group(number, *others, torch.device("cpu"))
    count = len(mark.read_text()) if mark.exists() else 0
    group.all_reduce(torch.zeros(1))  # all have read it
    if group.is_first:
        mark.write_text("x" * (count + 1))
    group.all_reduce(torch.zeros(1))
    raise errors[count]
rank._train = breaks
"""
LOST_GPU = "RuntimeError('CUDA error: an illegal memory access was encountered')"


def test_what_breaks_in_a_rank_is_tried_again_where_that_may_help(
    made: Made, monkeypatch: pytest.MonkeyPatch, forked: Ranks
) -> None:
    """A lost GPU may be no fault of the training; a full disk is not tried again."""
    job = made("WRN-10-0.25", "breaks", gpus=2)
    mark = job.runs.with_name("attempts")
    code = BREAKS.format(mark=str(mark), errors=f"{LOST_GPU}, OSError(28, 'No space left on device', 'there')")

    def breaking(*words: Any) -> str:
        return startup_code(*words).replace("; from", f"; exec({code!r}); from")

    monkeypatch.setattr("ablate.processes.parent.startup_code", breaking)
    with pytest.raises(OSError, match="No space") as caught:
        train(job)
    assert type(caught.value) is OSError
    assert mark.read_text() == "xx" and not running(forked)


@pytest.mark.parametrize(("error", "attempts"), [(RankDied("rank 1 died"), 2), (OSError(28, "No space"), 1)])
def test_ranks_that_die_again_are_given_up(
    made: Made, monkeypatch: pytest.MonkeyPatch, error: Exception, attempts: int
) -> None:
    tried: list[Job] = []

    def fail(job: Job, *more: Any) -> str:
        tried.append(job)
        raise error

    monkeypatch.setattr("ablate.train.ranks._train", fail)
    with pytest.raises(type(error)):
        train(made("WRN-10-0.25", "dies", gpus=2))
    assert len(tried) == attempts


def test_parts_of_a_batch_are_all_of_it() -> None:
    for size in (1, 3, 8, 64, 65):
        parts = [ProcessGroup(rank, 4).batch_rows(size) for rank in range(4)]
        assert [row for part in parts for row in range(*part)] == list(range(size))
    assert len({stream_seed(3, "dropout", 1, rank) for rank in range(4)}) == 4
    assert stream_seed(3, "dropout", 1, 0) == stream_seed(3, "dropout", 1)


def test_a_last_test_batch_smaller_than_the_group_is_shared_out(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    attempt = Attempt(made("WRN-10-0.25", "tested"), torch.device("cpu"))
    part, normalization = attempt.testing.batches.part, attempt.testing.batches.normalization
    monkeypatch.setattr(ProcessGroup, "all_reduce", lambda self, totals: totals)
    monkeypatch.setattr(ProcessGroup, "broadcast_buffers", lambda self, network: None)

    def loss(group: ProcessGroup) -> float:
        testing = evaluation.Testing(
            attempt.network, TestBatches(part, normalization, 31, group=group), attempt.recipe
        )  # 31, 31, 2
        testing.begin()
        for size in testing.batches.sizes:
            testing.step(size)
        return testing.scores().loss

    assert sum(loss(ProcessGroup(rank, 4)) for rank in range(4)) == pytest.approx(loss(ProcessGroup()), rel=1e-6)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"gpus": 3}, "batch_size: 32 cannot be divided by gpus: 3"),
        ({"gpus": 2, "last_batch": "keep"}, "gpus: 2 needs last_batch: drop"),
        ({"gpus": 2, "compile": "auto"}, "gpus: 2 needs compile: never"),
        ({"sync_batch_norm": True}, "sync_batch_norm needs gpus above 1"),
        ({"gpus": 2, "sync_batch_norm": True, "checkpoint_activations": "blocks"}, "needs checkpoint_activations: none"),
    ],
)
def test_what_cannot_be_is_refused_in_words(made: Made, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        made("WRN-10-0.25", "runs", **fields)


def test_fewer_gpus_than_a_trial_takes(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(RunError, match=r"recipe\.gpus: found 2; there are 1 GPUs"):
        train_on_ranks(replace(made("WRN-10-0.25", "runs", gpus=2), device="cuda"), lambda: False, lambda row: None)


def test_only_several_gpus_count_in_an_id(made: Made) -> None:
    one, two = (made("WRN-10-0.25", "runs", gpus=gpus).trial.recipe.identity() for gpus in (1, 2))
    assert not {"gpus", "sync_batch_norm"} & one.keys()
    assert two == {**one, "gpus": 2}
