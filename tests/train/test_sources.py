"""Each recipe of a source against the mathematics of its authors' code, typed anew: at most 1e-10 apart in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ablate.data.augment import augment, augmented_type, fit
from ablate.data.augmentation_lists import read_augmentation
from ablate.data.tensors import LabelledTensors, mean_and_std, normalize
from ablate.errors import StudyError
from ablate.kinds.recipes import RECIPES
from ablate.nets.build import Dropout, build, initialize
from ablate.nets.families import blueprint
from ablate.nets.initialization import ends_with_batch_norm
from ablate.nets.notation import parse_architecture
from ablate.study.data import Data
from ablate.study.plan import enumerate_variants
from ablate.study.recipe import Recipe
from ablate.study.spec import load_study
from ablate.train.batches import TrainingBatches
from ablate.train.optimization import Rates, make_optimizer, start_epoch
from ablate.train.training import Training


@dataclass(frozen=True)
class Source:
    """What the code of a source does.

    Args:
        rate: Epoch, from 1 -> learning rate.
        decay: Weight decay, of every parameter.
        epochs: How many.
        batch: Images a step.
        forgets: Whether the momentum starts anew where the rate drops.
        fan: (output channels, input channels, kernel, groups) -> the fan of a convolution.
        uniform: Whether the weights of batch norm are uniform in 0..1 and not one.
    """

    rate: Callable[[int], float]
    decay: float
    epochs: int
    batch: int = 128
    forgets: bool = False
    fan: Callable[[int, int, int, int], float] = lambda out, into, kernel, groups: kernel * kernel * out
    uniform: bool = False


def fan_in(out: int, into: int, kernel: int, groups: int) -> float:
    return kernel * kernel * into


def resnext_rate(epoch: int) -> float:
    return 0.1 * 0.1 ** ((epoch / 300 > 0.49) + (epoch / 300 > 0.74))


def fb_rate(epoch: int) -> float:
    return 0.1 * 0.1 ** math.floor((epoch - 1) / 30)


SOURCES = {
    "wrn_cifar": Source(
        lambda e: 0.1 * 0.2 ** sum(e >= drop for drop in (60, 120, 160)), 5e-4, 200, forgets=True, fan=fan_in, uniform=True
    ),
    "wrn_svhn": Source(
        lambda e: 0.01 * 0.1 ** sum(e >= drop for drop in (80, 120)), 5e-4, 160, forgets=True, fan=fan_in, uniform=True
    ),
    "resnext_cifar": Source(resnext_rate, 5e-4, 300),
    "stochastic_depth_cifar": Source(lambda e: 0.1 * 0.1 ** ((e >= 250) + (e >= 375)), 1e-4, 500),
    "fb_resnet": Source(fb_rate, 1e-4, 90, 256),
    "resnext_imagenet": Source(fb_rate, 1e-4, 100, 256),
}


@pytest.mark.parametrize("name", SOURCES)
def test_the_rate_of_every_epoch(name: str) -> None:
    source, made = SOURCES[name], Recipe.named(name)
    assert (made.epochs, made.batch_size, made.weight_decay, made.decay_on) == (
        source.epochs, source.batch, source.decay, "all",
    )  # fmt: skip
    for epoch in range(1, source.epochs + 1):
        assert abs(Rates(made, 1).at(epoch - 1)[0] - source.rate(epoch)) <= 1e-10, epoch


@pytest.mark.parametrize("name", SOURCES)
def test_eighty_steps(name: str) -> None:
    """Nesterov's momentum with decay as in Torch's optim.sgd, around every drop of the rate."""
    source, made = SOURCES[name], Recipe.named(name)
    drops = [epoch for epoch in range(2, source.epochs + 1) if source.rate(epoch) != source.rate(epoch - 1)]
    near = {epoch + shift for epoch in drops for shift in range(-6, 7) if 0 < epoch + shift <= source.epochs}
    epochs = sorted(near | set(range(1, 81 - len(near))))
    network = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 3)).double()
    inputs = torch.randn((16, 6), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(16) % 3
    other = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 3)).double()
    other.load_state_dict(network.state_dict())
    optimizer, velocity = make_optimizer(made, network), {}
    for epoch in epochs:
        start_epoch(made, optimizer, epoch)
        optimizer.zero_grad()
        F.cross_entropy(network(inputs), labels).backward()
        optimizer.step()
        rate = source.rate(epoch)
        if source.forgets and epoch in drops:
            velocity = {}
        other.zero_grad()
        F.cross_entropy(other(inputs), labels).backward()
        with torch.no_grad():
            for key, weight in other.named_parameters():
                assert weight.grad is not None
                slope = weight.grad + source.decay * weight
                velocity[key] = 0.9 * velocity[key] + slope if key in velocity else slope.clone()
                weight -= rate * (slope + 0.9 * velocity[key])
    for mine, theirs in zip(network.parameters(), other.parameters()):
        assert (mine - theirs).abs().max() <= 1e-10


@pytest.mark.parametrize("name", SOURCES)
def test_the_first_weights(name: str) -> None:
    source = SOURCES[name]
    rules = dict(Recipe.named(name).init)
    network = nn.Sequential(nn.Conv2d(128, 128, 3, groups=32, bias=False), nn.BatchNorm2d(4096), nn.Linear(64, 10))
    initialize(network, torch.Generator().manual_seed(1), **rules)
    convolution, norm, linear = network
    again = torch.Generator().manual_seed(1)
    wanted = torch.empty_like(convolution.weight).normal_(0, math.sqrt(2 / source.fan(128, 4, 3, 32)), generator=again)
    assert (convolution.weight - wanted).abs().max() <= 1e-10
    assert linear.bias.abs().max() == norm.bias.abs().max() == 0 and linear.weight.abs().max() <= 1 / 8
    if source.uniform:
        weight = norm.weight.detach()
        assert 0 <= weight.min() < 0.01 and 0.99 < weight.max() <= 1
        assert abs(weight.mean() - 1 / 2) < 4 * math.sqrt(1 / 12 / 4096) and abs(weight.var() - 1 / 12) < 0.005
    else:
        assert (norm.weight == 1).all()


def test_batch_norm_changes_no_other_weight() -> None:
    layers = blueprint(parse_architecture("ResNeXt-20-4x4d"))
    assert ends_with_batch_norm(layers) and not ends_with_batch_norm(blueprint(parse_architecture("WRN-10-1")))
    drawn = {
        rule: build(layers, torch.Generator().manual_seed(3), batch_norm_weight=rule).state_dict()
        for rule in ("ones", "uniform", "zero_last")
    }
    for key, ones in drawn["ones"].items():
        if ones.ndim != 1 or key.endswith("running_var"):
            assert torch.equal(ones, drawn["uniform"][key]) and torch.equal(ones, drawn["zero_last"][key])
    zero = [key for key, value in drawn["zero_last"].items() if key.endswith("weight") and not value.any()]
    assert len(zero) == 6 and all(".branch." in key for key in zero)  # one in each block, not in its shortcut


def test_a_rule_that_would_set_nothing_is_refused(tmp_path: Path) -> None:
    def variants(net: str) -> int:
        text = f"recipe: {{base: wrn_cifar, init: zero_last}}\nseeds: 1\nvariants: [{{net: {net}}}]\n"
        (tmp_path / "study.yaml").write_text("name: zero\ndata: cifar10\n" + text)
        return len(enumerate_variants(load_study(tmp_path / "study.yaml")).variants)

    assert variants("ResNet-20") == 1
    with pytest.raises(StudyError, match=r"no block of the network ends with batch norm, so zero_last sets nothing"):
        variants("WRN-10-1")


def test_zeros_around_a_normalized_image() -> None:
    """fb.resnet.torch normalizes, flips, pads by four zeros and crops; the order of flip and crop does not matter."""
    images = torch.randint(0, 256, (81, 32, 32, 3), generator=torch.Generator().manual_seed(2)).to(torch.uint8)
    steps = read_augmentation(RECIPES["resnext_cifar"].augment, 32)
    assert steps == RECIPES["stochastic_depth_cifar"].augment == "flip_crop_zero"
    shifts = torch.tensor([(row, column) for row in range(-4, 5) for column in range(-4, 5)])
    flips = torch.arange(81) % 2 == 0
    found = normalize(augment(images, torch.arange(81), steps, [shifts, flips], fit(steps, images)), mean_and_std(images))
    assert augmented_type(steps, images) == torch.float32 and augmented_type("flip_crop", images) == torch.uint8
    padded = F.pad(normalize(images, mean_and_std(images)), (4, 4, 4, 4))
    for i, (row, column) in enumerate((4 + shifts).tolist()):
        wanted = padded[i, :, row : row + 32, column : column + 32]
        assert (found[i] - (wanted.flip(2) if flips[i] else wanted)).abs().max() <= 1e-10


def test_the_augmentation_for_imagenet() -> None:
    """A crop with bicubic scaling, colors by up to 0.4 each in a random order, lighting of 0.1, flips."""
    from torchvision.transforms import ColorJitter, InterpolationMode, RandomHorizontalFlip, RandomResizedCrop

    from ablate.data.augment import transforms

    for name in ("fb_resnet", "resnext_imagenet"):
        crop, jitter, light, flip = transforms(read_augmentation(RECIPES[name].augment, 224), 224)
        assert isinstance(crop, RandomResizedCrop) and crop.interpolation == InterpolationMode.BICUBIC
        assert (crop.scale, crop.ratio, crop.size) == ((0.08, 1.0), (3 / 4, 4 / 3), (224, 224))
        assert isinstance(jitter, ColorJitter) and isinstance(flip, RandomHorizontalFlip)
        assert jitter.brightness == jitter.contrast == jitter.saturation == (0.6, 1.4) and jitter.hue is None
        values = [0.2175, 0.0188, 0.0045]  # the eigenvalues that the code states
        assert [column.norm().item() / 255 for column in light.fitted.T] == pytest.approx(values, rel=1e-3)
        assert light.settings["std"] == 0.1


@pytest.mark.parametrize(("order", "alike"), [("trial", False), ("fixed", True)])
def test_runs_that_share_the_order_of_the_images(order: str, alike: bool) -> None:
    """The code of wide residual networks reseeds order and augmentation with the number of the epoch alone."""
    images = torch.arange(64 * 32 * 32 * 3).reshape(64, 32, 32, 3).to(torch.uint8)
    part = LabelledTensors(images, torch.arange(64) % 10)
    recipe = Recipe.named("wrn_cifar", batch_size=16, seed_of=order)
    drawn = []
    for seed in (0, 1):
        batches = TrainingBatches(part, mean_and_std(images), Data.named("cifar10"), recipe, seed)
        for epoch in (1, 2):
            batches.begin(epoch)
            drawn.append((batches.order.clone(), *(each.clone() for each in batches.draws)))
    first, second, other_first, _ = drawn
    assert alike == all(map(torch.equal, first, other_first))
    assert not torch.equal(first[0], second[0])
    dropped = []
    for seed in (0, 1):
        network = torch.nn.Sequential(Dropout(0.5), torch.nn.Flatten(), torch.nn.Linear(3072, 10))
        batches = TrainingBatches(part, mean_and_std(images), Data.named("cifar10"), recipe, seed)
        Training(network, make_optimizer(recipe, network), batches, recipe).begin(1)
        dropped.append(network[0](torch.ones(64)))
    assert alike == torch.equal(*dropped)
    assert str(recipe.seed_of) == ("the first weights alone" if alike else "the order of the images")
    assert Recipe.named("wrn_cifar", seed_of=order).identity().get("seed_of") == ({"order": "fixed"} if alike else None)
