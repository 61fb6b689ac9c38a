from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from ablate.kinds.schedules import drop_epochs
from ablate.study.recipe import Recipe
from ablate.train.optimization import Rates, make_optimizer, restore, start_epoch
from ablate.train.randomness import generator


def recipe(base: str = "wrn_cifar", **changes: object) -> Recipe:
    return Recipe.named(base, **changes)


def learning_rate(recipe: Recipe, epoch: int) -> float:
    """That of a rate that changes per epoch."""
    return Rates(recipe, 1).at(epoch - 1)[0]


def test_the_rate_drops_where_the_authors_log_says() -> None:
    rates = {epoch: learning_rate(recipe(), epoch) for epoch in (1, 59, 60, 119, 120, 159, 160, 200)}
    expected = {1: 0.1, 59: 0.1, 60: 0.02, 119: 0.02, 120: 0.004, 159: 0.004, 160: 0.0008, 200: 0.0008}
    assert rates == pytest.approx(expected)


def test_svhn_drops_twice_by_ten() -> None:
    assert drop_epochs(recipe("wrn_svhn").values, 160) == (80, 120)
    assert learning_rate(recipe("wrn_svhn"), 160) == pytest.approx(0.0001)


@pytest.mark.parametrize(
    ("epochs", "drops"), [(30, (9, 18, 24)), (100, (30, 60, 80)), (10, (3, 6, 8)), (3, (2, 2, 3)), (1, (2, 2, 2))]
)
def test_another_number_of_epochs_rescales_the_drops(epochs: int, drops: tuple[int, ...]) -> None:
    assert drop_epochs(recipe().values, epochs) == drops
    assert learning_rate(recipe(epochs=epochs), 1) == 0.1


@pytest.mark.parametrize(("batch", "rate"), [(128, 0.1), (64, 0.05), (32, 0.025)])
def test_the_rate_follows_the_batch_where_the_recipe_says_so(batch: int, rate: float) -> None:
    assert learning_rate(recipe(batch_size=batch, lr_batch_size=128), 1) == pytest.approx(rate)  # the ResNeXt page
    assert learning_rate(recipe(batch_size=batch), 1) == 0.1


def train_a_little(made: Recipe, optimizer: torch.optim.Optimizer, weight: nn.Parameter, epoch: int) -> None:
    start_epoch(made, optimizer, epoch)
    weight.grad = torch.ones_like(weight)
    optimizer.step()


@pytest.mark.parametrize(("rule", "buffer"), [("discard", 1.0), ("keep", 1.9)])
def test_the_momentum_at_a_drop(rule: str, buffer: float) -> None:
    made = recipe(epochs=4, milestones=(0.5,), momentum_at_drop=rule, weight_decay=0.0)
    net = nn.Linear(1, 1, bias=False)
    optimizer = make_optimizer(made, net)
    for epoch in (1, 2):
        train_a_little(made, optimizer, net.weight, epoch)
    assert optimizer.state[net.weight]["momentum_buffer"].item() == pytest.approx(buffer)


def test_sgd_is_nesterov_with_decay_by_hand() -> None:
    net = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        net.weight.fill_(2.0)
    optimizer = make_optimizer(recipe(lr=0.5, weight_decay=0.1), net)
    expected, buffer = 2.0, 0.0
    for gradient in (1.0, -3.0, 0.5):
        net.weight.grad = torch.full_like(net.weight, gradient)
        optimizer.step()
        slope = gradient + 0.1 * expected
        buffer = 0.9 * buffer + slope
        expected -= 0.5 * (slope + 0.9 * buffer)
        assert net.weight.item() == pytest.approx(expected)


@pytest.mark.parametrize(("rule", "decayed"), [("all", {1, 2, 4}), ("weights", {2, 4})])
def test_what_weight_decay_falls_on(rule: str, decayed: set[int]) -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(1, 1))
    optimizer = make_optimizer(recipe(decay_on=rule, weight_decay=0.5), net)
    found = {p.ndim for group in optimizer.param_groups if group["weight_decay"] for p in group["params"]}
    assert found == decayed
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(net.parameters()))


def test_adam_takes_its_own_fields() -> None:
    optimizer = make_optimizer(recipe("adam", betas=(0.8, 0.9), eps=1e-3), nn.Linear(1, 1))
    assert isinstance(optimizer, torch.optim.Adam)
    assert optimizer.defaults["betas"] == (0.8, 0.9) and optimizer.defaults["eps"] == 1e-3


def test_draws_are_a_function_of_seed_stream_and_epoch() -> None:
    def draw(*where: object) -> float:
        return torch.rand((), generator=generator(*where)).item()  # type: ignore[arg-type]

    places = [(seed, stream, epoch) for seed in (0, 1) for stream in ("order", "dropout") for epoch in (1, 2)]
    draws = [draw(*place) for place in places]
    assert draws == [draw(*place) for place in places]
    assert len(set(draws)) == len(places)


@pytest.mark.parametrize(
    "changes", [{}, {"momentum_at_drop": "keep", "decay_on": "weights"}, {"momentum": 0.0, "nesterov": False}]
)
@pytest.mark.parametrize("base", ["wrn_cifar", "adam"])
def test_the_fused_update_is_the_plain_one(base: str, changes: dict[str, Any]) -> None:
    """Its rate is a tensor and its arithmetic one kernel; a checkpoint of either goes on in the other."""
    made = recipe(base, epochs=4, milestones=(0.5,), weight_decay=0.1, **changes)

    def train(epochs: range, fused: bool, state: Any = None) -> tuple[torch.Tensor, Any]:
        torch.manual_seed(1)
        net = nn.Sequential(nn.Conv2d(1, 3, 1), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(3, 2))
        optimizer = make_optimizer(made, net, fused)
        if state:
            net.load_state_dict(state[0])
            restore(optimizer, copy.deepcopy(state[1]))  # it takes over the tensors
        for epoch in epochs:
            assert start_epoch(made, optimizer, epoch) == learning_rate(made, epoch)
            for step in range(3):
                optimizer.zero_grad()
                for number, weight in enumerate(net.parameters()):
                    weight.grad = torch.full_like(weight, 0.1 * (step - 1) + 0.01 * number)
                optimizer.step()
        weights = torch.cat([weight.detach().flatten() for weight in net.parameters()])
        return weights, (net.state_dict(), copy.deepcopy(optimizer.state_dict()))

    plain, _ = train(range(1, 5), False)
    fused, _ = train(range(1, 5), True)
    assert torch.allclose(plain, fused, rtol=1e-5, atol=1e-7) and isinstance(
        make_optimizer(made, nn.Linear(1, 1), True).param_groups[0]["lr"], torch.Tensor
    )
    for first in (False, True):
        _, state = train(range(1, 3), first)
        crossed, _ = train(range(3, 5), not first, state)
        assert torch.allclose(plain, crossed, rtol=1e-5, atol=1e-7)
        whole, _ = train(range(1, 5), first)
        resumed, _ = train(range(3, 5), first, state)
        assert torch.equal(whole, resumed)
