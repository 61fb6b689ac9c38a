"""What recipes can say: each trains the same when it is resumed, captured, or trained beside others; and by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from replay import capture
from torch import Tensor, nn

from ablate.data.location import Location
from ablate.errors import NotationError, StudyError
from ablate.kinds.losses import LOSSES
from ablate.nets.notation import parse_architecture
from ablate.nets.weights import read_weights
from ablate.study.recipe import Recipe
from ablate.study.resolve import replace_fields
from ablate.study.spec import load_study
from ablate.study.study import Trial
from ablate.train import attempt as attempts
from ablate.train.attempt import Attempt
from ablate.train.average import Average
from ablate.train.batches import balanced, chances_of
from ablate.train.checkpoint import weight_bytes
from ablate.train.job import Job
from ablate.train.mixing import Mixer, draw_mixing
from ablate.train.optimization import Rates, make_optimizer, start_epoch
from ablate.train.setup import configure
from ablate.train.side_by_side import Capture
from ablate.train.trial import train_side_by_side

Make = Callable[..., Attempt]
OWN = """
import random

import numpy
import torch


def focal(logits, labels, gamma=2.0):
    chance = torch.log_softmax(logits, 1).gather(1, labels[:, None])
    return (-((1 - chance.exp()) ** gamma) * chance).mean()


def inverse(step, steps, lr):
    return lr / (1 + step / steps)


def sgd(network, lr, weight_decay, momentum=0.9):
    parameters = list(network.parameters())
    groups = [{"params": parameters[:1], "lr": lr / 2}, {"params": parameters[1:]}]
    return torch.optim.SGD(groups, lr, momentum, weight_decay=weight_decay)


class Noisy:
    def __init__(self, noise=0.1):
        self.noise, self.steps = noise, 0

    def optimizer(self, network):
        return torch.optim.RMSprop(network.parameters(), 0.001)

    def rate(self, step, epochs):
        return 0.002 / (1 + step) / epochs

    def batch(self, images, labels, generator):
        noise = torch.randn(images.shape, generator=generator, device=images.device)
        return images + (self.noise + 0.1 * random.random() + 0.1 * numpy.random.rand()) * noise, labels

    def loss(self, logits, labels):
        return torch.nn.functional.cross_entropy(logits, labels) * (1 + self.steps)

    def after_step(self, network):
        self.steps += 1
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.clamp_(-1, 1)

    def state_dict(self):
        return {"steps": self.steps}

    def load_state_dict(self, state):
        self.steps = state["steps"]


class Twice:
    def batch(self, images, labels, generator):
        return torch.cat([images, images]), torch.cat([labels, labels])


class Slow(torch.optim.Optimizer):  # its state is a copy of the weights, as in lookahead
    def __init__(self, parameters, lr):
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self):
        for one in self.param_groups[0]["params"]:
            slow = self.state[one].setdefault("slow", one.clone())
            one.copy_(slow.lerp_(one - self.param_groups[0]["lr"] * one.grad, 0.5))


def lookahead(network, lr):
    return Slow(network.parameters(), lr)


class Wrong:
    def loss(self, logits):
        return logits.sum()


def number(logits, labels):
    return 3.0


def writes(logits, labels):
    value = torch.nn.functional.cross_entropy(logits, labels.clone())
    with torch.no_grad():
        logits.zero_()
        labels.zero_()
    return value


def same(logits, labels):
    return torch.nn.functional.cross_entropy(logits, labels)


def last_layer(network, lr):
    return torch.optim.SGD([*network.parameters()][-2:], lr)


class Numbers:
    def loss(self, logits, labels):
        return torch.nn.functional.cross_entropy(logits, labels)

    def state_dict(self):
        return {"seen": numpy.ones(2)}

    def load_state_dict(self, state):
        pass


class Writes:
    loss = staticmethod(writes)


class Same:
    loss = staticmethod(same)

"""


@pytest.fixture
def make(tiny: Path, tmp_path: Path) -> Make:
    """An attempt at three epochs of seven steps of 16 and one of 9; a folder of its own each time."""
    torch.set_num_threads(1)
    (tmp_path / "mine.py").write_text(OWN)
    study = load_study(tiny, ["recipe.batch_size=16", "recipe.last_batch=keep", "data.train_size=121"])
    made: list[Path] = []

    def attempt(seed: int = 3, net: str = "WRN-10-0.25", **recipe: Any) -> Attempt:
        made.append(tmp_path / f"runs{len(made)}")
        changed = replace_fields(study.recipe, {"epochs": 3, "lr": 0.02, **recipe}, tmp_path)
        trial = Trial(parse_architecture(net), changed, study.data, seed)
        return begin(Job(trial, made[-1], Location(tmp_path, tmp_path / "cache"), folders=(tmp_path,)))

    return attempt


def begin(job: Job) -> Attempt:
    (job.runs / job.trial.id).mkdir(parents=True, exist_ok=True)
    (job.runs / job.trial.id / "trial.json").write_bytes(job.trial.definition)
    return Attempt(job, configure("cpu"))


def train(*together: Attempt, how: Capture | None = None) -> None:
    assert len(list(train_side_by_side(together, lambda: False, lambda row: None, how))) == len(together)


def same(one: Attempt, other: Attempt) -> bool:
    rows = [[{k: v for k, v in row.items() if "seconds" not in k} for row in attempt.rows] for attempt in (one, other)]
    pairs = [(one.network, other.network), *([(one.average, other.average)] if one.average and other.average else [])]
    states = [(first.state_dict(), second.state_dict()) for first, second in pairs]
    return rows[0] == rows[1] and all(torch.equal(first[name], second[name]) for first, second in states for name in first)


RECIPES: dict[str, dict[str, Any]] = {
    "one_cycle": {"schedule": "one_cycle"},
    "cosine": {"schedule": {"name": "cosine", "warmup": 1}, "optimizer": "adamw", "lr": 0.002},
    "mixed": {"mixup": 0.2, "cutmix": 1.0, "label_smoothing": 0.1},
    "bce": {"loss": {"name": "bce", "target_threshold": 0.2}, "cutmix": {"alpha": 1.0, "probability": 0.5}},
    "ema": {"ema": {"decay": 0.9, "warmup": 0.4}, "clip_norm": 0.5, "schedule": "polynomial"},
    "parts": {"accumulate": 3, "class_weights": "balanced", "sampler": "balanced"},
    "bfloat16": {"precision": "bfloat16", "accumulate": 2, "mixup": 0.4, "ema": 0.9},
    "again": {"checkpoint_activations": "blocks", "cutmix": 1.0, "ema": 0.9, "accumulate": 2},
    "nadam": {"optimizer": "nadam", "lr": 0.002},
    "rmsprop": {"optimizer": "rmsprop", "lr": 0.002},
    "muon": {"optimizer": "muon", "schedule": "linear"},
    "lamb": {"optimizer": "lamb"},
    "own": {
        "loss": {"python": "mine:focal", "args": {"gamma": 1.0}},
        "schedule": {"python": "mine:inverse"},
        "optimizer": {"python": "mine:sgd"},
    },
    "own_recipe": {"python": "mine:Noisy", "args": {"noise": 0.2}},
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_resumed_training_is_an_uninterrupted_one(make: Make, recipe: dict[str, Any]) -> None:
    whole, begun = (make(**{**recipe, "epochs": 2}) for _ in range(2))
    train(whole)
    ((_, status),) = train_side_by_side([begun], lambda: True, lambda row: None)
    assert status == "interrupted" and len(begun.rows) == 1
    resumed = begin(begun.job)
    train(resumed)
    assert len(resumed.rows) == 2 and same(whole, resumed)
    assert whole.job.trial.id != make(epochs=2).job.trial.id


ON_DEVICE = ("cosine", "mixed", "bce", "ema", "parts", "again", "bfloat16")


@pytest.mark.parametrize("name", ON_DEVICE)
def test_a_replayed_step_is_the_step(make: Make, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The update has its learning rate on the device, as on CUDA; the rate of each step is one that was set."""
    fused = lambda recipe, network, **more: make_optimizer(recipe, network, fused=True, **more)  # noqa: E731
    monkeypatch.setattr(attempts, "make_optimizer", fused)
    plain, replayed = (make(**RECIPES[name], epochs=2) for _ in range(2))
    captured: list[int] = []
    train(plain)
    train(replayed, how=lambda step, generators: (captured.append(1), capture(step, generators))[1])
    assert captured == [1] and same(plain, replayed)


@pytest.mark.parametrize("name", ["one_cycle", "muon", "lamb", "own", "own_recipe"])
def test_what_the_host_decides_is_not_captured(make: Make, name: str) -> None:
    assert not make(**RECIPES[name]).training.capturable


def test_each_side_by_side_is_as_it_is_alone(make: Make) -> None:
    recipe = {**RECIPES["mixed"], **RECIPES["ema"], "sampler": "balanced"}
    alone, together = ([make(seed, **recipe) for seed in (0, 1)] for _ in range(2))
    for attempt in alone:
        train(attempt)
    train(*together)
    assert all(same(one, other) for one, other in zip(alone, together)) and not same(*alone)


def test_gradients_of_parts_are_those_of_the_batch(make: Make) -> None:
    """With group norm, which has no statistics of a batch; also of a last batch that is smaller."""
    whole, parts = (make(net="WRN-10-0.25-groupnorm", accumulate=n, mixup=0.2, clip_norm=0.1) for n in (1, 5))
    train(whole)
    train(parts)
    assert [row["train_loss"] for row in parts.rows] == pytest.approx([row["train_loss"] for row in whole.rows], rel=1e-4)


def test_the_average_is_what_is_tested(make: Make) -> None:
    attempt = make(ema={"decay": 0.75, "warmup": 1}, net="WRN-10-0.25")
    seen: list[list[Tensor]] = []
    step = attempt.optimizer.step
    weights = [*attempt.network.parameters()]

    def note() -> None:
        step()
        seen.append([one.detach().clone() for one in weights])

    attempt.optimizer.step = note  # type: ignore[method-assign]
    train(attempt)
    expected = seen[7]  # the last step of the warm-up, which is one epoch of 8 steps
    for later in seen[8:]:
        expected = [0.75 * mean + 0.25 * one for mean, one in zip(expected, later)]
    assert attempt.average is not None and len(seen) == 24
    for mean, one in zip(attempt.average.parameters(), expected):
        assert torch.allclose(mean, one, atol=1e-6)
    network = make(net="WRN-10-0.25").network
    network.load_state_dict(attempt.average.state_dict())
    testing = attempt.testing
    testing.network = network
    testing.begin()
    for size in testing.batches.sizes:
        testing.step(size)
    assert testing.scores().loss == attempt.rows[-1]["test_loss"]


class Own(nn.Module):
    """A network with a weight of two names, complex numbers, and a state that is no tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
        self.other.weight = self.one.weight
        self.waves = nn.Parameter(torch.zeros(3, dtype=torch.complex64))
        self.seen = [0]

    def get_extra_state(self) -> list[int]:
        return self.seen

    def set_extra_state(self, state: list[int]) -> None:
        self.seen = state


def test_the_average_of_shared_and_complex_weights_and_of_a_state() -> None:
    network, mean = Own(), Own()
    average = Average(Recipe.named("wrn_cifar", ema=0.75), network, mean, 10)
    before = network.one.weight.detach().clone()
    with torch.no_grad():
        network.one.weight += 1
        network.waves += 4 + 8j
    average.update()
    network.seen.append(1)
    average.end_epoch()
    network.seen.append(2)
    assert torch.allclose(mean.one.weight, before + 0.25) and mean.other.weight is mean.one.weight
    assert torch.allclose(mean.waves, torch.full((3,), 1 + 2j)) and mean.seen == [0, 1]
    assert weight_bytes(network) == 2 * 16 + 24


def test_muon_skips_a_step_with_an_overflow_and_clips_gradients_that_are_unscaled(make: Make) -> None:
    attempt = make(optimizer="muon", precision="float16", clip_norm=1.0)
    training, parameters = attempt.training, list(attempt.network.parameters())
    assert training.scaler is not None
    training.batched = None
    training.begin(1)

    def step(of_matrices: float) -> None:
        def backward(*batch: Any) -> None:
            training.scaler.scale(torch.zeros(()))  # type: ignore[union-attr]
            for one in parameters:
                one.grad = torch.full_like(one, of_matrices if one.ndim > 1 else 65536.0)

        training.backward = backward  # type: ignore[method-assign]
        training.prepare(16)
        training.step(16)

    before = [one.detach().clone() for one in parameters]
    step(float("inf"))
    assert all(map(torch.equal, before, parameters))
    step(32768.0)  # of the scale that is then halved
    assert not any(map(torch.equal, before, parameters))
    gradients = torch.cat([one.grad.flatten() for one in parameters if one.grad is not None])
    assert gradients.norm().item() == pytest.approx(1, rel=1e-4) and gradients.max() < 2.1 * gradients.min()


def test_gradients_that_an_own_optimizer_does_not_use_do_not_add_up(make: Make) -> None:
    attempt = make(optimizer={"python": "mine:last_layer"}, clip_norm=0.1)
    backward, parameters = attempt.training.backward, list(attempt.network.parameters())

    def checked(*batch: Any) -> None:
        assert all(one.grad is None for one in parameters)
        backward(*batch)

    attempt.training.backward = checked  # type: ignore[method-assign]
    train(attempt)


def test_a_state_of_own_code_that_cannot_be_resumed_is_refused_at_the_first_checkpoint(make: Make) -> None:
    """Otherwise the checkpoint would be taken for a damaged one, and the training begun anew each time."""
    attempt = make(python="mine:Numbers")
    with pytest.raises(NotationError, match=r"no checkpoint can hold \(numpy.*; allowed: tensors and plain values"):
        list(train_side_by_side([attempt], lambda: True, lambda row: None))
    assert not list(attempt.directory.glob("checkpoint-*"))


def rates(steps: int = 10, epochs: int = 4, **fields: Any) -> list[float]:
    made = Rates(Recipe.named("wrn_cifar", lr=1.0, epochs=epochs, **fields), steps)
    return [made.at(step)[0] for step in range(steps * epochs)]


def torch_rates(kind: Callable[..., Any], steps: int = 40) -> list[float]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 1.0, momentum=0.9)
    schedule, found = kind(optimizer), []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def test_schedules_are_those_of_torch() -> None:
    lr = torch.optim.lr_scheduler
    assert rates(schedule="cosine") == pytest.approx(torch_rates(lambda made: lr.CosineAnnealingLR(made, 40)))
    assert rates(schedule="linear", final=0.2) == pytest.approx(torch_rates(lambda made: lr.LinearLR(made, 1.0, 0.2, 40)))
    expected = torch_rates(lambda made: lr.PolynomialLR(made, 40, 2.0))
    assert rates(schedule="polynomial", power=2.0) == pytest.approx(expected)
    assert rates(schedule="constant") == [1.0] * 40
    ours = rates(schedule="one_cycle", warmup=0.3, final=4e-6)
    theirs = torch_rates(lambda made: lr.OneCycleLR(made, 1.0, total_steps=41, pct_start=0.3))
    assert ours == pytest.approx(theirs, abs=0.08) and max(ours) == 1.0 == ours[12]  # theirs ends with its last step


def test_a_warm_up_in_epochs_and_as_a_fraction_is_the_same_and_rescales() -> None:
    whole, part = (rates(schedule="cosine", warmup=warmup) for warmup in (1, 0.25))
    assert whole == part and whole[:10] == pytest.approx([(step + 1) / 11 for step in range(10)]) and whole[10] == 1.0
    assert rates(epochs=8, schedule="cosine", warmup=0.25).index(1.0) == 20
    by_epoch = rates(schedule="linear", warmup=1, per="epoch")
    assert by_epoch == pytest.approx([0.5] * 10 + [1.0] * 10 + [2 / 3] * 10 + [1 / 3] * 10)
    assert rates(schedule="step", warmup=1, milestones=(0.5,), drop=0.1) == pytest.approx(
        [0.5] * 10 + [1.0] * 0 + [0.1] * 30
    )


def test_one_cycle_changes_the_momentum_the_other_way() -> None:
    for base, key in (("wrn_cifar", "momentum"), ("adam", "betas")):
        recipe = Recipe.named(base, schedule="one_cycle", epochs=10)
        made, optimizer = Rates(recipe, 10), make_optimizer(recipe, nn.Linear(1, 1))
        found = []
        for step in range(100):
            made.set(optimizer, step)
            value = optimizer.param_groups[0][key]
            found.append(value if key == "momentum" else value[0])
        assert found[30] == pytest.approx(0.85) == min(found) and found[99] == pytest.approx(0.95, abs=1e-3)
    assert Rates(Recipe.named("wrn_cifar", schedule="one_cycle", cycle_momentum=False), 10).cycles_momentum is False
    recipe = Recipe.named("wrn_cifar", schedule="one_cycle", epochs=10, momentum=0.0, nesterov=False)
    optimizer = make_optimizer(recipe, nn.Linear(1, 1))
    Rates(recipe, 10).set(optimizer, 5)
    assert optimizer.param_groups[0]["momentum"] == 0


@pytest.mark.parametrize("rate", [-0.1, float("nan"), float("inf")])
def test_a_rate_of_own_code_is_a_finite_number_from_0(rate: float) -> None:
    made = Rates(Recipe.named("wrn_cifar", epochs=4), 10)
    made.own, made.reference = lambda step: 0.1 if step < 3 else rate, "mine:rate"
    assert made.at(2) == (0.1, None)
    with pytest.raises(NotationError, match=f"mine:rate returned {rate:g} in step 3; allowed: a finite number from 0"):
        made.at(3)


def test_momentum_that_is_discarded_starts_as_new() -> None:
    """Also the product that NAdam keeps, which starts at one."""
    recipe = Recipe.named("wrn_cifar", optimizer="nadam", epochs=4, milestones=(0.5,))
    weight = nn.Parameter(torch.ones(2))
    network = nn.Module()
    network.weight = weight
    optimizer = make_optimizer(recipe, network)
    weight.grad = torch.ones(2)
    optimizer.step()
    start_epoch(recipe, optimizer, 2)
    assert optimizer.state[weight]["mu_product"] == 1.0 and not optimizer.state[weight]["exp_avg"].any()


def test_an_optimizer_that_counts_its_steps_counts_anew_where_momentum_is_discarded() -> None:
    recipe = Recipe.named("wrn_cifar", optimizer="lamb", epochs=4, milestones=(0.5,))
    network = nn.Linear(2, 2)
    optimizer = make_optimizer(recipe, network)
    network(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    start_epoch(recipe, optimizer, 2)
    assert all(group["step"] == 0 for group in optimizer.param_groups)


def test_the_state_of_an_own_optimizer_is_kept(make: Make) -> None:
    """It is a copy of the weights, which would be halved if the state were set to zero with the momentum."""
    attempt = make(optimizer={"python": "mine:lookahead"}, milestones=[0.5], momentum_at_drop="discard")
    train(attempt)
    weights = list(attempt.network.parameters())
    assert all(torch.equal(attempt.optimizer.state[one]["slow"], one) for one in weights)
    before = [one.detach().clone() for one in weights]
    start_epoch(attempt.recipe, attempt.optimizer, 2, attempt.training.rates)
    assert all(torch.equal(attempt.optimizer.state[one]["slow"], kept) for one, kept in zip(weights, before))


def test_a_batch_that_an_own_recipe_makes_larger_counts_as_it_is(make: Make) -> None:
    attempt = make(python="mine:Twice")
    attempt.start_epoch()
    attempt.training.begin(1)
    for size in attempt.training.batches.sizes:
        attempt.training.prepare(size)
        attempt.training.step(size)
    scores = attempt.training.scores()
    assert scores.images == 2 * 121 and scores.loss < 5 and 0 < scores.measures["error"] <= 100


def losses(name: str, weights: Tensor | None = None, **settings: Any) -> Any:
    return LOSSES[name].build(LOSSES[name].settings(settings), weights)


def test_losses_are_those_of_timm() -> None:
    theirs_of = pytest.importorskip("timm.loss")
    logits, labels = torch.randn(6, 5, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 3, 4, 0])
    theirs = theirs_of.BinaryCrossEntropy(smoothing=0.1)(logits, labels)
    assert losses("bce", label_smoothing=0.1).train(logits, labels) == pytest.approx(theirs.item())
    shares = 0.7 * F.one_hot(labels, 5) + 0.3 * F.one_hot(labels.flip(0), 5)
    theirs = theirs_of.BinaryCrossEntropy(smoothing=0.0, target_threshold=0.2)(logits, shares)
    assert losses("bce", target_threshold=0.2).train(logits, shares) == pytest.approx(theirs.item())
    theirs = theirs_of.SoftTargetCrossEntropy()(logits, shares)
    assert losses("cross_entropy").train(logits, shares) == pytest.approx(theirs.item())
    smoothed = losses("cross_entropy", label_smoothing=0.1)
    assert smoothed.test(logits, labels) == F.cross_entropy(logits, labels) != smoothed.train(logits, labels)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("name", LOSSES)
def test_class_weights_are_factors_on_an_images_loss(name: str, smoothing: float) -> None:
    logits, labels = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 0, 0, 0, 1, 2])
    weights = balanced(labels, 3).float()
    assert weights.tolist() == [0.5, 2.0, 2.0] and weights[labels].mean() == 1
    plain, weighted = (losses(name, given, label_smoothing=smoothing) for given in (None, weights))
    each = torch.stack([plain.train(logits[i : i + 1], labels[i : i + 1]) for i in range(6)])
    assert weighted.train(logits, labels) == pytest.approx((each * weights[labels]).mean().item())
    assert weighted.train(logits, labels) == pytest.approx(weighted.train(logits, F.one_hot(labels, 3).float()).item())


def test_a_balanced_sampler_draws_each_class_equally_often(make: Make) -> None:
    labels = torch.tensor([0] * 90 + [1] * 9 + [2])
    chances = chances_of(labels, 4)
    assert [chances[labels == k].sum().item() for k in range(3)] == pytest.approx([100 / 3] * 3)
    one, other = make(sampler="balanced").training.batches, make(sampler="balanced").training.batches
    for batches, epoch in ((one, 1), (other, 1)):
        batches.begin(epoch)
    assert torch.equal(one.order, other.order) and len(set(one.order.tolist())) < 121
    other.begin(2)
    assert not torch.equal(one.order, other.order)


def test_a_batch_is_mixed_by_one_of_the_two() -> None:
    recipe = Recipe.named("wrn_cifar", mixup=0.8, cutmix=1.0)
    share, box = draw_mixing(recipe, 4000, seed=1)
    mixed, cut = share < 1, (box != 0).any(1)
    assert not (mixed & cut).any() and (mixed | cut).float().mean() > 0.98 and 0.46 < mixed.float().mean() < 0.54
    share, box = draw_mixing(Recipe.named("wrn_cifar", cutmix={"alpha": 1, "probability": 0.25}), 4000, seed=1)
    assert (share == 1).all() and 0.22 < (box != 0).any(1).float().mean() < 0.28
    assert (box[:, 1] >= box[:, 0]).all() and (box >= 0).all() and (box <= 1).all()


@pytest.mark.parametrize("how", [{"mixup": 1.0}, {"cutmix": 1.0}])
def test_labels_are_mixed_as_the_pixels_are(how: dict[str, Any]) -> None:
    """The images have one value each, so the mean of a mixed image tells the shares."""
    mixer = Mixer(Recipe.named("wrn_cifar", **how), 3, 20, seed=5, device=torch.device("cpu"))
    mixer.begin(2)
    labels = torch.tensor([0, 1, 2, 2])
    images = torch.tensor([1.0, 3.0, 10.0, 10.0])[:, None, None, None].expand(4, 3, 9, 7)
    partial = 0
    for _ in range(20):
        pixels, shares = mixer.mix(images, labels)
        values = shares @ torch.tensor([1.0, 3.0, 10.0])
        assert torch.allclose(pixels.mean((1, 2, 3)), values, atol=1e-4) and torch.allclose(shares.sum(1), torch.ones(4))
        partial += int(0.05 < shares[0, 0] < 0.95)
        if "cutmix" in how:
            assert set(pixels[0].flatten().tolist()) <= {1.0, 10.0}
    assert partial > 10


def test_muon_takes_a_convolution_as_a_matrix() -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(4, 6, 3, bias=True).to(memory_format=torch.channels_last)
    matrix = nn.Parameter(convolution.weight.detach().clone().permute(0, 2, 3, 1).reshape(6, -1))
    recipe = Recipe.named("wrn_cifar", optimizer="muon", momentum=0.9, lr=0.1, weight_decay=0.1)
    optimizer = make_optimizer(recipe, convolution)
    reference = torch.optim.Muon([matrix], 0.1, 0.1, 0.9, adjust_lr_fn="match_rms_adamw")
    before = convolution.bias.detach().clone()  # type: ignore[union-attr]
    for _ in range(3):
        optimizer.zero_grad()
        convolution(torch.randn(2, 4, 5, 5).to(memory_format=torch.channels_last)).square().sum().backward()
        assert convolution.weight.grad is not None
        matrix.grad = convolution.weight.grad.permute(0, 2, 3, 1).reshape(6, -1).clone()
        optimizer.step()
        reference.step()
        assert torch.equal(convolution.weight.permute(0, 2, 3, 1).reshape(6, -1), matrix)
    assert convolution.bias is not None and not torch.equal(before, convolution.bias)


def test_muon_takes_no_vectors_and_keeps_no_gradients() -> None:
    """A position embedding (1, N, C) and a scale (C, 1, 1) have nothing to orthogonalize."""
    network = nn.Module()
    network.embedding, network.scale = nn.Parameter(torch.zeros(1, 5, 4)), nn.Parameter(torch.ones(4, 1, 1))
    network.weight = nn.Parameter(torch.ones(4, 5))
    optimizer: Any = make_optimizer(Recipe.named("wrn_cifar", optimizer="muon"), network)
    assert [one for one, _ in optimizer.matrices] == [network.weight]
    sum(one.sum() for one in network.parameters()).backward()  # type: ignore[union-attr]
    optimizer.step()
    optimizer.zero_grad()
    assert all(one.grad is None for group in optimizer.param_groups for one in group["params"])


def test_the_groups_of_an_own_optimizer_keep_their_ratio(make: Make) -> None:
    attempt = make(optimizer={"python": "mine:sgd"}, schedule={"python": "mine:inverse"}, loss="cross_entropy")
    train(attempt)
    first, second = (group["lr"] for group in attempt.optimizer.param_groups)
    assert first == second / 2 and second == pytest.approx(0.02 / (1 + 23 / 24))


def test_an_own_recipe_is_called(make: Make) -> None:
    attempt = make(**RECIPES["own_recipe"])
    train(attempt)
    assert attempt.hooks is not None and attempt.hooks.made.steps == 24 and attempt.hooks.made.noise == 0.2
    assert [row["lr"] for row in attempt.rows] == pytest.approx([0.002 / (1 + 8 * epoch) / 3 for epoch in range(3)])
    assert max(one.abs().max().item() for one in attempt.network.parameters()) <= 1


def test_own_code_that_changed_is_not_trained(make: Make, tmp_path: Path) -> None:
    attempt = make(loss={"python": "mine:focal"})
    (tmp_path / "mine.py").write_text(OWN + "\nOTHER = 1\n")
    with pytest.raises(NotationError, match="mine:focal has changed since the run began"):
        begin(attempt.job)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"loss": {"python": "mine:absent"}}, r"recipe.loss: mine:absent: AttributeError"),
        ({"loss": {"python": "mine:focal", "args": {"gama": 1}}}, r"recipe.loss: mine:focal has no parameter 'gama'"),
        ({"schedule": {"python": "mine:focal"}}, r"recipe.schedule: mine:focal needs a value for its parameter 'logits'"),
        ({"python": "mine:Wrong"}, r"recipe: mine:Wrong: loss\(logits\): too many positional arguments; allowed: loss\("),
        ({"python": "mine:focal"}, r"recipe: mine:focal: .*missing 2 required positional arguments"),
        ({"args": {"x": 1}}, r"recipe.args is only valid with python"),
        ({"loss": {"pyton": "mine:focal"}}, r"recipe.loss: unknown key 'pyton'"),
    ],
)
def test_own_code_that_does_not_fit_is_refused_at_once(make: Make, change: dict[str, Any], said: str) -> None:
    with pytest.raises(StudyError, match=said):
        make(**change)


def test_an_own_loss_that_returns_a_number_is_said(make: Make) -> None:
    with pytest.raises(NotationError, match="mine:number returned float; allowed: a scalar tensor"):
        train(make(loss={"python": "mine:number"}))


def test_an_average_is_what_is_evaluated(make: Make) -> None:
    attempt = make(ema=0.9)
    train(attempt)
    (path,) = attempt.directory.glob("checkpoint-*.pt")
    assert attempt.average is not None
    found = read_weights(path)
    assert all(torch.equal(found[name], one) for name, one in attempt.average.state_dict().items())
    assert any(not torch.equal(found[name], one) for name, one in attempt.network.state_dict().items())


@pytest.mark.parametrize(
    "of", [lambda name: {"loss": {"python": f"mine:{name}"}}, lambda name: {"python": f"mine:{name.title()}"}]
)
def test_a_loss_that_writes_to_what_it_gets_changes_no_error(make: Make, of: Callable[[str], dict[str, Any]]) -> None:
    writing, other = make(epochs=1, **of("writes")), make(epochs=1, **of("same"))
    train(writing)
    train(other)
    errors = [[row[name] for name in ("train_error", "test_error")] for each in (writing, other) for row in each.rows]
    assert errors[0] == errors[1]
