"""Steps captured and replayed, and trials side by side, against the plain path: not a bit of difference.

There is no GPU here to capture on; replay.py stands in for CUDA graphs.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from replay import Recorded, capture
from torch import Tensor

from ablate.data.location import Location
from ablate.nets.notation import parse_architecture
from ablate.study.recipe import Recipe
from ablate.study.spec import load_study
from ablate.study.study import Trial
from ablate.train import side_by_side
from ablate.train.attempt import Attempt
from ablate.train.checkpoint import load_checkpoint
from ablate.train.job import Job
from ablate.train.setup import configure
from ablate.train.side_by_side import Capture, SideBySide
from ablate.train.trial import train_side_by_side

Make = Callable[..., Attempt]


@pytest.fixture
def make(tiny: Path, tmp_path: Path) -> Make:
    """An attempt at two epochs of seven steps of 16 and one of 9; a folder of its own each time."""
    study = load_study(tiny, ["recipe.batch_size=16", "recipe.last_batch=keep", "data.train_size=121"])
    made: list[Path] = []

    def attempt(seed: int = 3, net: str = "WRN-10-0.25-dropout0.3", **recipe: Any) -> Attempt:
        made.append(tmp_path / f"runs{len(made)}")
        changed = Recipe.model_validate({**study.recipe.model_dump(), "epochs": 2, "milestones": (0.5,), **recipe})
        trial = Trial(parse_architecture(net), changed, study.data, seed)
        job = Job(trial, made[-1], Location(tmp_path, tmp_path / "cache"))
        (job.runs / trial.id).mkdir(parents=True)
        (job.runs / trial.id / "trial.json").write_bytes(trial.definition)
        return Attempt(job, configure("cpu"))

    return attempt


def train(*attempts: Attempt, how: Capture | None = None) -> None:
    assert len(list(train_side_by_side(attempts, lambda: False, lambda row: None, how))) == len(attempts)


def weights(attempt: Attempt) -> dict[str, Tensor]:
    state = load_checkpoint(attempt.directory)
    assert state is not None
    return state["network"]  # type: ignore[no-any-return]


def same(one: Attempt, other: Attempt) -> bool:
    times = ("train_seconds", "test_seconds")
    rows = [[{k: v for k, v in row.items() if k not in times} for row in attempt.rows] for attempt in (one, other)]
    first, second = weights(one), weights(other)
    return rows[0] == rows[1] and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    "recipe",
    [
        {},
        {"precision": "bfloat16"},
        {"precision": "float16"},
        {"precision": "float16", "clip_norm": 0.5, "optimizer": "adam"},
        {"optimizer": "adam", "momentum_at_drop": "discard"},
        {"momentum_at_drop": "keep", "decay_on": "weights"},
        {"checkpoint_activations": "blocks", "net": "WRN-10-0.25"},
        {"net": "pre-ResNet-8", "precision": "bfloat16"},
    ],
)
def test_a_replayed_step_is_the_step(make: Make, recipe: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The update is the one that CUDA has, whose learning rate is on the device: it drops in the second epoch."""
    optimizer = side_by_side_optimizer(monkeypatch)
    plain, replayed = make(**recipe), make(**recipe)
    captured: list[int] = []
    train(plain)
    train(replayed, how=lambda step, generators: (captured.append(1), capture(step, generators))[1])
    assert captured == [1] and same(plain, replayed) and optimizer == [True, True]
    assert plain.rows[0]["lr"] != plain.rows[1]["lr"] and plain.rows[0]["train_loss"] != plain.rows[1]["train_loss"]


NETS = ["WRN-10-0.25-dropout0.3", "WRN-10-0.25-groupnorm", "pre-ResNet-8", "ResNet-8-w0.25", "ResNeXt-11-2x4d", "NIN"]


@pytest.mark.parametrize(
    ("net", "precision"), [*product(NETS, ["float32", "bfloat16"]), ("WRN-10-0.25-dropout0.3", "float16")]
)
def test_what_is_done_for_all_layers_at_once_is_what_each_does(
    make: Make, net: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the same operations on the same numbers, so on a GPU as here; fewer of them are launched."""
    if precision == "float16":
        side_by_side_optimizer(monkeypatch)  # which does not read whether gradients are finite
    recipe = {"precision": precision, "lr": 0.02, "epochs": 1, "milestones": ()}
    plain, batched = (make(net=net, **recipe) for _ in range(2))
    plain = Attempt(replace(plain.job, plain=True), torch.device("cpu"))
    assert plain.training.batched is None and batched.training.batched is not None
    launched = [operations(one) for one in (plain, batched)]
    norms = sum(isinstance(module, torch.nn.BatchNorm2d) for module in batched.network.modules())
    cast = len(batched.training.batched.copies)
    assert bool(cast) == (precision != "float32")
    assert launched[0]["aten.add_.Tensor"] - launched[1]["aten.add_.Tensor"] == norms
    assert launched[0]["aten._to_copy.default"] - launched[1]["aten._to_copy.default"] >= 2 * cast - 1
    train(plain)
    train(batched)
    assert same(plain, batched)


def operations(attempt: Attempt) -> Counter[str]:
    """What a training step of another attempt like this one launches."""
    one = Attempt(replace(attempt.job, runs=attempt.job.runs.with_name("counted")), torch.device("cpu")).training
    one.begin(1)
    with Recorded() as recorded:
        one.step(16)
    return Counter(str(func) for func, *_ in recorded.calls)


def side_by_side_optimizer(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    from ablate.train import attempt
    from ablate.train.optimization import make_optimizer

    made: list[bool] = []

    def fused(recipe: Recipe, network: torch.nn.Module, **more: Any) -> torch.optim.Optimizer:
        made.append(True)
        return make_optimizer(recipe, network, fused=True, **more)

    monkeypatch.setattr(attempt, "make_optimizer", fused)
    return made


def test_a_number_from_python_would_be_seen(make: Make) -> None:
    """A learning rate that is not on the device stays in a replay what it was when the step was captured."""
    plain, replayed = make(), make()
    train(plain)
    train(replayed, how=capture)
    assert plain.rows[0]["train_loss"] == replayed.rows[0]["train_loss"]  # the first epoch has one rate
    assert not same(plain, replayed)


@pytest.mark.parametrize("net", ["ResNet-8-w0.25-survival0.5", "WRN-10-0.25-dropout0.3"])
def test_what_python_decides_is_not_captured(make: Make, net: str) -> None:
    again = {"checkpoint_activations": "blocks"} if "dropout" in net else {}
    plain, other = make(net=net), make(net=net, **again)
    assert not other.training.capturable and other.testing.capturable
    train(plain)
    train(other, how=capture)
    assert same(plain, other)


@pytest.mark.parametrize("how", [None, capture])
@pytest.mark.parametrize("net", ["WRN-10-0.25-dropout0.3", "ResNet-8-w0.25-survival0.5"])
def test_each_side_by_side_is_as_it_is_alone(
    make: Make, how: Capture | None, net: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when one has another epoch to do first, and one ends before the others."""
    side_by_side_optimizer(monkeypatch)
    alone = [make(seed, net) for seed in (0, 1, 2)]
    for attempt in alone:
        train(attempt)
    begun = make(1, net)
    ((_, status),) = train_side_by_side([begun], lambda: True, lambda row: None)
    assert status == "interrupted" and len(begun.rows) == 1
    together = [make(0, net), Attempt(begun.job, torch.device("cpu")), make(2, net)]
    ended = [attempt for attempt, _ in train_side_by_side(together, lambda: False, lambda row: None, how)]
    assert ended == [together[1], together[0], together[2]]
    assert all(same(one, other) for one, other in zip(alone, together))


def test_sizes_that_come_once_an_epoch_are_never_captured(make: Make) -> None:
    attempt = make()
    sizes: list[int] = []
    one = SideBySide([attempt.training], lambda step, generators: (sizes.append(step.args[0]), step)[1])  # type: ignore
    for epoch in range(1, 6):
        one.run([epoch])
    assert attempt.training.batches.sizes == [16] * 7 + [9] and sizes == [16]


def test_the_seconds_of_those_side_by_side_are_shared(make: Make) -> None:
    together = [make(0), make(1)]
    told: list[dict[str, Any]] = []
    list(train_side_by_side(together, lambda: False, told.append))
    first, second = told[:2]
    assert first["train_seconds"] == second["train_seconds"] and first["trial"] != second["trial"]
    assert first["images_per_second"] == pytest.approx(121 / first["train_seconds"], rel=1e-3)
    assert together[0].made["side_by_side"] == 2


def test_what_reads_from_the_device_cannot_be_captured() -> None:
    with pytest.raises(RuntimeError, match="reads from the device"):
        capture(lambda: print(torch.ones(()).item()), [])


class Stream:
    """As torch.cuda.Stream: it notes which streams have waited for it."""

    def __init__(self, waited: set[Stream]) -> None:
        self.waited = waited

    def wait_stream(self, other: Stream) -> None:
        self.waited.add(other)


def test_streams_are_joined_again_when_a_step_fails(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A capture cannot end while a stream that was forked in it has not been joined; its own error would hide the cause."""
    joined: set[Stream] = set()
    now, own = Stream(joined), [Stream(set()) for _ in range(3)]
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: now)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: contextlib.nullcontext())
    one = SideBySide([make(seed).training for seed in range(3)])
    one.streams = own  # type: ignore[assignment]

    def fail(size: int) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(one.passes[1], "step", fail)
    with pytest.raises(torch.OutOfMemoryError):
        one.run([1])
    assert joined == set(own)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("net", ["WRN-10-0.25-dropout0.3", "WRN-16-2"])
def test_on_a_gpu_too(make: Make, net: str) -> None:
    device = configure("cuda")
    jobs = [replace(make(seed, net).job, device="cuda") for seed in (0, 1, 2)]
    plain = [Attempt(replace(job, plain=True), device) for job in jobs]
    with side_by_side.own_stream(device):
        for attempt in plain:
            train(attempt)
        kept = [(attempt.rows, weights(attempt)) for attempt in plain]
        for job in jobs:
            for path in (job.runs / job.trial.id).glob("*[!.json]"):
                path.unlink()
        together = [Attempt(job, device) for job in jobs]
        train(*together)
    for attempt, (rows, state) in zip(together, kept):
        assert [row["train_loss"] for row in attempt.rows] == [row["train_loss"] for row in rows]
        assert all(torch.equal(tensor, state[name]) for name, tensor in weights(attempt).items())
