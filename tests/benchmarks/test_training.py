"""The training benchmark: both loops do the same work, and the floors are those of the network."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ablate.nets.counts import count
from ablate.nets.families import blueprint
from ablate.nets.notation import parse_architecture
from ablate.records.epochs import read_epochs
from ablate.schedule.inline import open_inline
from ablate.schedule.tasks import Executor, Stop
from ablate.schedule.worker import load_work
from ablate.train import setup
from ablate.train.arithmetic import products_kept
from ablate.train.checkpoint import load_checkpoint
from tests.benchmarks import plain_loop, training, workers
from tests.benchmarks.jobs import TrainJob, WriteJob
from tests.benchmarks.roofline import ADDITION, BACKWARD, FORWARD, Rates, added, floors, processor_has_bfloat16
from tests.benchmarks.training import _job, bench_cohort, bench_train, bench_writing

NET = "WRN-10-0.25"


def job(**changes: Any) -> TrainJob:
    return replace(_job(NET, "cpu", 4, 8, False), **changes)


def test_both_loops_train_on_the_same_images_and_make_the_same_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """On one batch, from the same weights: the same loss, gradient and update."""
    made: list[torch.nn.Module] = []

    def keep(build: Any) -> Any:
        def call(*arguments: Any, **rules: Any) -> Any:
            made.append(build(*arguments, **rules))
            if len(made) == 2:
                made[1].load_state_dict(made[0].state_dict())
            return made[-1]

        return call

    for module in (setup, plain_loop):
        monkeypatch.setattr(module, "build", keep(module.build))
    wanted = job(steps_alone=True)
    ours = workers._prepare(wanted)
    trainer = plain_loop.Trainer(wanted)
    images, labels = workers.random_images(wanted)
    trainer.batch = ((images[:4].permute(0, 3, 1, 2).float() - 127.5) / 64, labels[:4])
    ours()
    assert trainer.train() == 8
    for one, other in zip(made[0].state_dict().values(), made[1].state_dict().values()):
        assert torch.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_careful_loop_trains_on_whole_batches(precision: str) -> None:
    one = job(images=11)
    one = replace(one, recipe=one.recipe.model_copy(update={"precision": precision}))
    trainer, kinds = plain_loop.CarefulTrainer(one), set[torch.dtype]()
    assert next(iter(trainer.network.parameters())).is_contiguous(memory_format=torch.channels_last)
    trainer.network[0].register_forward_hook(lambda module, arguments, found: kinds.add(found.dtype))
    assert trainer.train() == 8 and kinds == {getattr(torch, precision)}


def test_the_batches_of_the_careful_loop_are_crops_and_flips() -> None:
    padded = torch.arange(5 * 4 * 4, dtype=torch.uint8).view(5, 4, 4, 1)
    batches = list(plain_loop.Batches(padded, torch.arange(5), 3, 2))
    assert [tuple(images.shape) for images, _ in batches] == [(2, 1, 3, 3)] * 2
    assert len({int(label) for _, labels in batches for label in labels}) == 4
    for images, labels in batches:
        for image, label in zip((images * 63.75 + 127.5).round().byte()[:, 0], labels):
            crops = padded[label, :, :, 0].unfold(0, 3, 1).unfold(1, 3, 1).reshape(-1, 3, 3)
            assert any(torch.equal(image, way) for crop in crops for way in (crop, crop.flip(1)))


def test_the_plain_loop_goes_through_all_images_in_another_order() -> None:
    trainer = plain_loop.Trainer(job())
    seen: list[tuple[int, ...]] = []
    trainer.network.register_forward_pre_hook(lambda module, arguments: seen.append(tuple(arguments[0].shape)))
    assert trainer.train() == 8 and seen == [(4, 3, 32, 32)] * 2
    labels = [tuple(label.tolist()) for _, label in trainer.loader]
    assert sorted(sum(labels, ())) == sorted(workers.random_images(job())[1].tolist())


def test_every_seed_of_a_job_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[int] = []
    step = workers.Training.step
    monkeypatch.setattr(workers.Training, "step", lambda self, size: (trained.append(self.seed), step(self, size)))
    said: list[dict[str, Any]] = []
    assert workers.train_ours(job(seeds=(3, 1, 4)), lambda: False, said.append) == "completed"
    assert trained == [3, 3, 1, 1, 4, 4] and said[0]["peak_memory_bytes"] > 0
    assert workers.train_ours(job(seeds=(3, 1, 4), together=True), lambda: False, said.append) == "completed"
    assert trained[6:] == [3, 1, 4, 3, 1, 4]


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers are this process; that tasks reach those of their own is tested in tests/schedule."""

    def opened(work: str, slots: Any, stop: Stop, retries: int) -> AbstractContextManager[Executor]:
        return open_inline(load_work(work), stop)

    monkeypatch.setattr(training, "open_workers", opened)


def test_the_benchmarks_run_small(in_this_process: None) -> None:
    told: list[str] = []
    plain = bench_train([NET], "cpu", 4, 8, 1, ["float32"], announce=told.append)
    assert [one.title for one in plain] == [f"{NET}, batch 4, end to end", f"{NET}, batch 4, steps alone"]
    for one in plain:
        assert list(one.seconds) == ["plain PyTorch", "careful PyTorch, float32", "ablate, float32"]
        assert all(ratio > 0 for ratio in one.figures["speed a core"].values()) and 0 <= one.others <= 1
        assert one.work["ablate, float32"] % one.work["plain PyTorch"] == 0
        assert all(0 < share < 1 for share in one.figures["share of the limit"].values())
    assert min(plain[0].figures["peak memory, MiB"].values()) > 50
    assert told[0].endswith("warming up")
    (cohort,) = bench_cohort([NET], 3, "cpu", 4, 8, 1)
    assert cohort.work == {"one after the other": 24.0, "together": 24.0} and cohort.title.endswith("3 seeds")


@pytest.mark.parametrize(("precision", "switch"), [("float32", "ieee"), ("tf32", "tf32")])
def test_the_plain_loop_multiplies_as_it_is_called(precision: str, switch: str) -> None:
    one = job()
    with products_kept():
        plain_loop.Trainer(replace(one, recipe=one.recipe.model_copy(update={"precision": precision})))
        assert torch.backends.cudnn.conv.fp32_precision == switch  # type: ignore[attr-defined]


def test_an_epoch_is_held_against_its_files_small(in_this_process: None) -> None:
    (one,) = bench_writing([NET], "cpu", 4, 8, 1)
    assert one.work == {"training": 8 / 50_000, "plain files": 5.0, "ablate, flushed and hashed": 5.0}
    shares = one.figures["share of an epoch"]
    assert list(shares) == ["plain files", "ablate, flushed and hashed"] and all(0 < share < 1 for share in shares.values())


@pytest.mark.parametrize("plainly", [False, True])
def test_what_is_written_is_what_a_trial_leaves(tmp_path: Path, plainly: bool) -> None:
    assert workers.write_epochs(WriteJob(job(), tmp_path, 3, plainly), lambda: False, lambda said: None) == "completed"
    rows = read_epochs(tmp_path)
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True) if plainly else load_checkpoint(tmp_path)
    assert state is not None and len(state["rows"]) == workers.ROWS and state["optimizer"]["state"]
    assert len(list(tmp_path.glob("*.pt"))) == (1 if plainly else 2)


def test_floors_follow_from_the_counts() -> None:
    network = blueprint(parse_architecture("WRN-16-2"))
    counts = count(network)
    sums = 2 * (32 * 32 * 32 + 64 * 16 * 16 + 128 * 8 * 8)
    assert added(network) == sums
    assert added(blueprint(parse_architecture("WRN-10-2"))) == sums // 2
    found = floors(_job("WRN-16-2", "cpu", 128, 512, False), Rates(1e9, 1e9))
    assert found.compute == pytest.approx(3 * counts.multiply_adds / 1e9)
    assert found.memory == pytest.approx(4 * ((FORWARD + BACKWARD) * counts.activations + ADDITION * sums) / 1e9)
    assert found.share(2 * max(found)) == pytest.approx(0.5)


@pytest.mark.parametrize(("flags", "has"), [("sse avx2", False), ("avx512f avx512_bf16", True), ("amx_bf16", True)])
def test_who_multiplies_bfloat16(tmp_path: Path, flags: str, has: bool) -> None:
    (tmp_path / "cpuinfo").write_text(f"model name : X\nflags : {flags}\n")
    assert processor_has_bfloat16(tmp_path / "cpuinfo") is has
    assert not processor_has_bfloat16(tmp_path / "missing")
