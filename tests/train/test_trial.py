from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from ablate.data.location import Location
from ablate.data.original_files import read_digits
from ablate.data.sources import stratified
from ablate.data.whitening import fit_whitening, whiten
from ablate.errors import RecordError, RunError
from ablate.files import hold_lock
from ablate.nets.architecture import Architecture
from ablate.nets.build import build
from ablate.nets.notation import parse_architecture
from ablate.records.attempts import read_failure, write_failure
from ablate.records.epochs import read_epochs
from ablate.records.records import read_record, trial_directory
from ablate.study.recipe import Recipe
from ablate.study.spec import load_study
from ablate.study.study import Trial
from ablate.train import attempt, precision
from ablate.train.checkpoint import load_checkpoint, save_checkpoint
from ablate.train.images import ImageLoader
from ablate.train.job import Job
from ablate.train.randomness import generator
from ablate.train.setup import ImageCache, configure
from ablate.train.trial import train_trial

TIMES = ("train_seconds", "test_seconds")


def never() -> bool:
    return False


@pytest.fixture
def job(tiny: Path, tmp_path: Path) -> Job:
    """Four epochs of a net with dropout, on digits with crops and flips: every stream of draws is in use."""
    torch.set_num_threads(1)
    study = load_study(tiny, ["recipe.epochs=4"])
    trial = Trial(Architecture(1, 0.25, dropout=0.3), study.recipe, study.data, seed=3)
    return Job(trial, tmp_path / "runs", Location(tmp_path, tmp_path / "cache"))


def changed(job: Job, **recipe: Any) -> Job:
    made = Recipe.model_validate({**job.trial.recipe.model_dump(), **recipe})
    return replace(job, trial=replace(job.trial, recipe=made))


def stop_after(epoch: int) -> tuple[Callable[[], bool], Callable[[dict[str, Any]], None]]:
    """A stop() that holds from an epoch on, and the report() that tells it."""
    seen: list[int] = []
    return (lambda: bool(seen) and seen[-1] >= epoch), (lambda row: seen.append(row.get("epoch", 0)))


def outcome(job: Job) -> tuple[list[dict[str, Any]], dict[str, torch.Tensor]]:
    """All that a finished trial leaves but its times: its epochs and its last weights."""
    directory = trial_directory(job.runs, job.trial.id)
    rows = [{key: value for key, value in row.items() if key not in TIMES} for row in read_epochs(directory)]
    state = load_checkpoint(directory)
    assert state is not None
    return rows, state["network"]


def assert_same(one: Job, other: Job) -> None:
    (rows, weights), (other_rows, other_weights) = outcome(one), outcome(other)
    assert rows == other_rows
    assert weights.keys() == other_weights.keys()
    assert all(torch.equal(weights[name], other_weights[name]) for name in weights)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_resumed_trial_equals_an_uninterrupted_one_bit_for_bit(job: Job, precision: str) -> None:
    job = changed(job, precision=precision)
    assert train_trial(job, never, lambda row: None) == "completed"
    halting = replace(job, runs=job.runs.with_name("halting"))
    for epoch in (1, 3):
        assert train_trial(halting, *stop_after(epoch)) == "interrupted"
    assert train_trial(halting, never, lambda row: None) == "completed"
    assert_same(job, halting)
    record = read_record(halting.runs, job.trial.id)
    assert record is not None
    assert [attempt["last_epoch"] for attempt in record.result["earlier_attempts"]] == [1, 3]


def test_a_trial_that_goes_on_on_another_kind_of_device_says_so(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, Any]] = []
    made = attempt.provenance
    monkeypatch.setattr(attempt, "provenance", lambda device: {**made(device), "device": "A GPU"})
    assert train_trial(job, *stop_after(1)) == "interrupted"
    assert train_trial(job, *stop_after(2)) == "interrupted"
    monkeypatch.setattr(attempt, "provenance", lambda device: {**made(device), "device": "B GPU"})
    assert train_trial(job, never, told.append) == "completed"
    notes = [event for event in told if event.get("event") == "note"]
    text = "trained to epoch 2 on A GPU, goes on on B GPU: its last bits may differ"
    assert notes == [{"event": "note", "trial": job.trial.id, "text": text}]


@pytest.mark.parametrize("recipe", [{}, {"clip_norm": 0.5, "accumulate": 2}])
def test_the_scale_of_a_float16_loss_is_resumed_too(
    job: Job, recipe: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It doubles every step until gradients are infinite; such a step changes no weight."""
    monkeypatch.setattr(torch.amp, "GradScaler", partial(torch.amp.GradScaler, init_scale=2.0**18, growth_interval=1))
    job = changed(job, precision="float16", **recipe)
    assert train_trial(job, never, lambda row: None) == "completed"
    halting = replace(job, runs=job.runs.with_name("halting"))
    train_trial(halting, *stop_after(1))
    state = load_checkpoint(trial_directory(halting.runs, job.trial.id))
    assert state is not None
    assert state["scaler"]["scale"] != 2.0**18
    train_trial(halting, never, lambda row: None)
    assert_same(job, halting)


@pytest.mark.parametrize(
    "recipe", [{"optimizer": "adam"}, {"momentum_at_drop": "keep", "decay_on": "weights"}, {"last_batch": "keep"}]
)
def test_other_recipes_resume_too(job: Job, recipe: dict[str, Any]) -> None:
    job = changed(job, batch_size=48, **recipe)
    train_trial(job, never, lambda row: None)
    halting = replace(job, runs=job.runs.with_name("halting"))
    train_trial(halting, *stop_after(2))
    train_trial(halting, never, lambda row: None)
    assert_same(job, halting)


@pytest.mark.parametrize("name", ["ResNet-14-w0.25-dropout0.2-survival0.3", "WRN-16-0.25-survival0.5-groupnorm-silu"])
def test_stochastic_depth_resumes_too(job: Job, name: str) -> None:
    job = replace(job, trial=replace(job.trial, architecture=parse_architecture(name)))
    train_trial(job, never, lambda row: None)
    halting = replace(job, runs=job.runs.with_name("halting"))
    train_trial(halting, *stop_after(1))
    train_trial(halting, never, lambda row: None)
    assert_same(job, halting)


@pytest.mark.parametrize("augment", ["flip_crop", "none"])
def test_whitened_images_resume_too(job: Job, augment: str) -> None:
    data = job.trial.data.model_copy(update={"preprocess": "zca", "augment": augment})
    job = replace(job, trial=replace(job.trial, data=data))
    assert train_trial(job, never, lambda row: None) == "completed"
    halting = replace(job, runs=job.runs.with_name("halting"))
    train_trial(halting, *stop_after(2))
    train_trial(halting, never, lambda row: None)
    assert_same(job, halting)


def test_whitened_images_are_what_a_trial_trains_on(job: Job) -> None:
    """One step of plain SGD at rate 0 measures the loss of the whitened images, and of no others."""
    data = job.trial.data.model_copy(update={"preprocess": "zca", "augment": "none"})
    made = changed(job, lr=1e-9, batch_size=128, epochs=1, momentum=0.0, nesterov=False)
    made = replace(made, trial=replace(made.trial, data=data, architecture=Architecture(1, 0.25)))
    train_trial(made, never, lambda row: None)
    digits = read_digits(Path(), 8)
    chosen = stratified(digits.train_labels, 128)
    whitened = whiten(digits.train_images[chosen], fit_whitening(digits.train_images[chosen]))
    net = build(made.trial.blueprint, generator(3, "initialization"), batch_norm_weight="uniform").train()
    order = torch.randperm(128, generator=generator(3, "order", 1))
    images = torch.from_numpy(whitened).permute(0, 3, 1, 2)[order]
    loss = F.cross_entropy(net(images), torch.from_numpy(digits.train_labels[chosen])[order])
    assert outcome(made)[0][0]["train_loss"] == pytest.approx(loss.item(), rel=1e-5)


def test_a_block_that_is_left_out_is_decayed_all_the_same(job: Job) -> None:
    """As the mean gradient zero that it has: weights shrink by lr * decay a step, momentum aside."""
    architecture = parse_architecture("WRN-10-0.25-survival0.000001")
    recipe = {"momentum": 0.0, "nesterov": False, "weight_decay": 0.5, "epochs": 1}
    job = replace(changed(job, **recipe), trial=replace(changed(job, **recipe).trial, architecture=architecture))
    begun = build(
        job.trial.blueprint, generator(job.trial.seed, "initialization"), batch_norm_weight="uniform"
    ).state_dict()
    train_trial(job, never, lambda row: None)
    _, ended = outcome(job)
    last = next(key for key in begun if key.startswith("conv4.0.branch") and key.endswith("weight"))
    steps = 128 // 32
    assert torch.allclose(ended[last], begun[last] * (1 - 0.1 * 0.5) ** steps, rtol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_activations_computed_again_change_no_bit(job: Job, precision: str) -> None:
    architecture = parse_architecture("WRN-16-0.25-dropout0.3-survival0.7")
    plain = changed(job, precision=precision)
    plain = replace(plain, trial=replace(plain.trial, architecture=architecture))
    again = replace(changed(plain, checkpoint_activations="blocks"), runs=job.runs.with_name("again"))
    assert again.trial.id == plain.trial.id
    train_trial(plain, never, lambda row: None)
    train_trial(again, never, lambda row: None)
    assert_same(plain, again)


def test_epochs_past_the_checkpoint_are_trained_again(job: Job) -> None:
    train_trial(job, never, lambda row: None)
    lost = replace(job, runs=job.runs.with_name("lost"))
    train_trial(lost, *stop_after(2))
    path = trial_directory(lost.runs, job.trial.id) / "epochs.jsonl"
    lines = (trial_directory(job.runs, job.trial.id) / "epochs.jsonl").read_bytes().splitlines(keepends=True)
    path.write_bytes(path.read_bytes() + lines[2] + lines[3][:20])
    assert train_trial(lost, never, lambda row: None) == "completed"
    assert_same(job, lost)


def test_a_damaged_checkpoint_gives_way_to_the_one_before(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    train_trial(job, never, lambda row: None)
    damaged = replace(job, runs=job.runs.with_name("damaged"))
    train_trial(damaged, *stop_after(3))
    directory = trial_directory(damaged.runs, job.trial.id)
    newest, _ = sorted(directory.glob("checkpoint-*.pt"), reverse=True)
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    state = load_checkpoint(directory)
    assert state is not None and state["epoch"] == 2 and not newest.exists()
    assert newest.name in capsys.readouterr().out
    assert train_trial(damaged, never, lambda row: None) == "completed"
    assert_same(job, damaged)


@pytest.mark.parametrize("damage", [b"", b"not a line\n"])
def test_a_lost_epochs_file_is_written_again_from_the_checkpoint(job: Job, damage: bytes) -> None:
    train_trial(job, never, lambda row: None)
    lost = replace(job, runs=job.runs.with_name("lost"))
    train_trial(lost, *stop_after(3))
    (trial_directory(lost.runs, job.trial.id) / "epochs.jsonl").write_bytes(damage)
    again: list[int] = []
    assert train_trial(lost, never, lambda row: again.extend([row["epoch"]] if row else [])) == "completed"
    assert again == [4]
    assert_same(job, lost)


def test_what_an_earlier_attempt_left_is_cleared(job: Job) -> None:
    directory = trial_directory(job.runs, job.trial.id)
    write_failure(directory, "an old cause", attempts=2)
    (directory / ".checkpoint-000001.pt.0123abcd.tmp").write_bytes(b"half")
    assert train_trial(job, *stop_after(1)) == "interrupted"
    assert read_failure(directory) is None and not list(directory.glob(".*"))


def test_checkpoints_come_as_often_as_asked_and_do_not_change_the_result(job: Job) -> None:
    train_trial(job, never, lambda row: None)
    rare = replace(job, runs=job.runs.with_name("rare"), checkpoint_epochs=3)
    train_trial(rare, *stop_after(1))
    assert [p.stem[-1] for p in trial_directory(rare.runs, job.trial.id).glob("checkpoint-*.pt")] == ["1"]
    train_trial(rare, never, lambda row: None)
    assert_same(job, rare)


def test_checkpoints_by_default_cost_a_hundredth_of_the_time(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """An epoch takes 40 seconds and a checkpoint 1, so the third epoch is the first to have one. Killed, it is repeated."""
    job, now, saved = replace(job, checkpoint_epochs=0), 0.0, list[int]()

    def clock() -> float:
        nonlocal now
        now += 0.001
        return now

    def save(directory: Path, epoch: int, state: dict[str, Any]) -> None:
        nonlocal now
        now += 1.0
        saved.append(epoch)
        save_checkpoint(directory, epoch, state)

    def report(event: dict[str, Any]) -> None:
        nonlocal now
        if "epoch" in event:
            now += 40.0
            if event["epoch"] == killed_in:
                raise KeyboardInterrupt

    monkeypatch.setattr(attempt, "save_checkpoint", save)
    monkeypatch.setattr(attempt, "LEAST_SECONDS", 0.99)  # the first is taken to cost more than an epoch allows
    monkeypatch.setattr(attempt.time, "monotonic", clock)
    job, killed_in = changed(job, epochs=8), 5
    with pytest.raises(KeyboardInterrupt):
        train_trial(job, never, report)
    assert saved == [3]
    killed_in = 0
    assert train_trial(job, never, report) == "completed" and saved == [3, 6, 8]
    unbroken = replace(job, runs=job.runs.with_name("unbroken"))
    train_trial(unbroken, never, report)
    assert_same(job, unbroken)


def test_a_worker_whose_device_would_choose_another_precision_refuses(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a Ray cluster, of whose devices the driver knows nothing."""
    monkeypatch.setattr(precision, "cpu_flags", frozenset)
    with pytest.raises(RunError, match=r"auto is bfloat16 in this run; for .* it is float32; name a precision"):
        train_trial(replace(job, auto_precision="bfloat16"), never, lambda row: None)
    job = replace(changed(job, epochs=1), auto_precision="float32")
    assert train_trial(job, never, lambda row: None) == "completed"


def test_a_recorded_trial_is_not_trained_again(job: Job) -> None:
    train_trial(job, never, lambda row: None)
    rows: list[Any] = []
    assert train_trial(job, never, rows.append) == "recorded"
    assert rows == []


def test_a_trial_under_way_elsewhere_is_left_alone(job: Job) -> None:
    directory = trial_directory(job.runs, job.trial.id)
    directory.mkdir(parents=True)
    with hold_lock(directory / "lock"):
        assert train_trial(job, never, lambda row: None) == "busy"
    assert not (directory / "epochs.jsonl").exists()


def test_divergence_is_recorded_as_valid_json(job: Job) -> None:
    job = changed(job, lr=100.0, weight_decay=10.0)
    assert train_trial(job, never, lambda row: None) == "diverged"
    record = read_record(job.runs, job.trial.id)
    assert record is not None and record.diverged and record.eval_error is None
    assert record.result["epochs"] < 4
    text = (record.directory / "result.json").read_text() + (record.directory / "epochs.jsonl").read_text()
    assert "NaN" not in text and "Infinity" not in text
    assert train_trial(job, never, lambda row: None) == "recorded"


def test_a_trial_begun_on_other_images_is_refused(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    train_trial(job, *stop_after(1))
    images = read_digits(Path(), 8)
    monkeypatch.setattr(ImageLoader, "load", lambda *args: (images, "0123456789abcdef"))
    with pytest.raises(RecordError, match="0123456789abcdef"):
        train_trial(job, never, lambda row: None)


def test_a_record_says_what_it_was_made_with(job: Job) -> None:
    train_trial(job, never, lambda row: None)
    record = read_record(job.runs, job.trial.id)
    assert record is not None
    result = json.loads((record.directory / "result.json").read_text())
    made = result["provenance"]
    assert made["torch"] == torch.__version__ and made["threads"] == 1 and made["device"]
    assert result["train_images"] == 128 and result["test_images"] == 64 and result["epoch_rule"] == "last"
    assert result["test_error"] == read_epochs(record.directory)[-1]["test_error"]
    assert str(Path.home()) not in json.dumps(result)


def test_two_epochs_equal_a_plain_loop(job: Job) -> None:
    """The loop against PyTorch as one writes it by hand: no augmentation, no dropout, the same order."""
    data = job.trial.data.model_copy(update={"augment": "none"})
    recipe = Recipe.named("wrn_cifar", epochs=2, batch_size=48, milestones=())
    trial = Trial(Architecture(1, 0.25), recipe, data, seed=5)
    train_trial(replace(job, trial=trial), never, lambda row: None)
    rows = read_epochs(trial_directory(job.runs, trial.id))

    configure("cpu")
    train, test, normalization, *_ = ImageCache().load(data, job.location, torch.device("cpu"))
    net = build(trial.blueprint, generator(5, "initialization"), batch_norm_weight="uniform")
    optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)

    def images(part: Any) -> torch.Tensor:
        return (part.images.permute(0, 3, 1, 2).float() - normalization.mean) / normalization.std

    for epoch in (1, 2):
        net.train()
        order = torch.randperm(128, generator=generator(5, "order", epoch))
        losses = []
        for batch in order.split(48)[:2]:  # the last 32 of 128 are dropped
            optimizer.zero_grad()
            loss = F.cross_entropy(net(images(train)[batch]), train.labels[batch])
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        net.eval()
        logits = net(images(test)).detach()
        row = rows[epoch - 1]
        assert row["train_loss"] == pytest.approx(sum(losses) / 2, rel=1e-4)
        assert row["test_loss"] == pytest.approx(F.cross_entropy(logits, test.labels).item(), rel=1e-3)
        assert row["test_error"] == pytest.approx(100 * (logits.argmax(1) != test.labels).float().mean().item(), abs=1.6)
    assert math.isfinite(rows[-1]["test_loss"])
