"""Own code called once with small stand-ins, so that a plan says what a training would refuse.

Torch is imported only if there is such code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from ablate.data.augmentation_lists import own_steps
from ablate.errors import AblateError
from ablate.own_code import OwnCode
from ablate.study.data import Data
from ablate.study.labels import label
from ablate.study.study import Variant
from ablate.train.estimates import images_of

IMAGES = 4  # of a stand-in for a batch
MOST_PARAMETERS = 5_000_000  # of a network that an optimizer is made for


def own_result_errors(variants: Iterable[Variant]) -> list[str]:
    """What networks, augmentation steps, losses, schedules and optimizers of the user's own are that a training refuses.

    A network needs a parameter that is trained. Others are called once: steps with a few random images, losses with random
    logits, schedules for the first and the last step, optimizers with the smallest network that is trained with them,
    unless that is large. Nothing is trained.
    """
    checks: dict[Any, Callable[[], object]] = {}
    ordered = sorted(variants, key=lambda one: one.counts.parameters)
    for variant in ordered:
        recipe, data = variant.recipe, variant.data
        for step in own_steps(data.augment):
            checks.setdefault(("data.augment", step, data.input_shape), partial(_run_step, step, data))
        for field, own in recipe.own_code.items():
            what = (own, recipe.mixup.on or recipe.cutmix.on) if field == "loss" else recipe
            key = (f"recipe.{field}" if field != "python" else "recipe", what, data.classes)
            if key not in checks and (field != "optimizer" or variant.counts.parameters <= MOST_PARAMETERS):
                checks[key] = partial(CHECKS[field], variant)
    untrained = [label(one) for one in ordered if not one.counts.parameters]
    found = [f"{name}: a training would end: it has no parameter that is trained" for name in untrained]
    for (field, *_), check in checks.items():
        try:
            check()
        except AblateError as error:
            found.append(f"{field}: a training would end: {error}")
    return list(dict.fromkeys(found))


def _run_step(step: OwnCode, data: Data) -> None:
    import torch

    from ablate.data.augment import run_own_step

    channels, high, wide = data.input_shape
    draws = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (IMAGES, high, wide, channels), generator=draws).byte()
    run_own_step(step, step.bind(), images, draws)


def _make_optimizer(variant: Variant) -> None:
    import torch

    from ablate.nets.build import build
    from ablate.train.optimization import make_optimizer

    make_optimizer(variant.recipe, build(variant.trials((0,))[0].blueprint, torch.Generator().manual_seed(0)))


def _rate(variant: Variant) -> None:
    from ablate.kinds.hooks import Hooks
    from ablate.train.optimization import Rates

    recipe = variant.recipe
    images, _ = images_of(variant.data) or (recipe.batch_size, 0)
    rates = Rates(recipe, max(1, images // recipe.batch_size), Hooks(recipe.python) if recipe.python else None)
    for step in (0, rates.steps - 1):
        rates.at(step)


def _loss(variant: Variant) -> None:
    import torch

    from ablate.kinds.hooks import Hooks
    from ablate.kinds.losses import shares_of
    from ablate.train.passes import make_losses

    recipe, classes = variant.recipe, variant.data.classes
    train, _ = make_losses(recipe, Hooks(recipe.python) if recipe.python else None)
    logits = torch.randn(IMAGES, classes, generator=torch.Generator().manual_seed(0), requires_grad=True)
    labels = torch.arange(IMAGES) % classes
    train(logits, labels)
    if recipe.mixup.on or recipe.cutmix.on:
        train(logits, shares_of(labels, classes))


def _loss_and_rate(variant: Variant) -> None:
    _loss(variant)
    _rate(variant)


CHECKS: dict[str, Callable[[Variant], None]] = {
    "optimizer": _make_optimizer,
    "schedule": _rate,
    "loss": _loss,
    "python": _loss_and_rate,
}
