from __future__ import annotations

from typing import Any

import pytest
import torch
from torchvision.models.detection._utils import BalancedPositiveNegativeSampler

from ablate.errors import NotationError
from ablate.nets.build import build
from ablate.nets.counts import count
from ablate.nets.detection import faster_rcnn
from ablate.nets.detector import DetectionNetwork, Sampler
from ablate.nets.families import Head, blueprint, count_network
from ablate.nets.notation import parse_architecture
from ablate.study.tasks import TASKS

SMALL = {"fpn_channels": 8, "box_features": 16, "anchor_scale": 4.0, "proposals": 16}
SMALL |= {"sampled_anchors": 16, "sampled_boxes": 8}
SHAPE = (3, 64, 64)


def head(**settings: Any) -> Head:
    shaped = {name: value for name, value in TASKS["detection"].defaults.items() if name in SMALL}
    return Head(faster_rcnn, tuple(sorted({**shaped, **settings}.items())))


def network(name: str = "ResNet-18-w0.125", seed: int = 0) -> DetectionNetwork:
    made = build(blueprint(parse_architecture(name), 3, SHAPE, head(**SMALL)), torch.Generator().manual_seed(seed))
    assert isinstance(made, DetectionNetwork)
    return made


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(3))
    targets = torch.zeros(2, 3, 7)
    targets[:, :, 4] = -1
    targets[0, 1] = torch.tensor([4, 4, 40, 30, 2, 0, 900])
    targets[0, 2] = torch.tensor([30, 30, 60, 60, 0, 1, 900])  # a crowd
    return images, targets  # the second image has no box


@pytest.mark.parametrize("name", ["ResNet-18-w0.125", "WRN-10-0.5", "pre-ResNet-11-w0.5", "WRN-10-0.5-groupnorm"])
def test_the_counted_parameters_are_those_of_the_module(name: str) -> None:
    architecture = parse_architecture(name)
    asked = (3, SHAPE, head(**SMALL))
    counted = count(blueprint(architecture, *asked))
    assert counted == count_network(architecture, *asked)
    assert counted.parameters == sum(one.numel() for one in network(name).parameters())


def test_the_usual_settings_are_torchvisions() -> None:
    """ResNet-50's detector there has 41,755,286 numbers with 91 classes, 53,120 of them frozen in its batch norm."""
    from torchvision.models.detection import fasterrcnn_resnet50_fpn

    with torch.device("meta"):
        theirs = fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=91)
    ours = count_network(parse_architecture("ResNet-50"), 90, (3, 800, 800), head())
    frozen = sum(one.numel() for name, one in theirs.named_buffers() if name.endswith(("bn1.weight", "bn1.bias")))
    assert frozen == 0  # without weights its batch norm is trained
    assert ours.parameters == sum(one.numel() for one in theirs.parameters())


def test_networks_without_groups_of_blocks_are_refused() -> None:
    with pytest.raises(NotationError, match="task: detection needs groups of residual blocks"):
        count_network(parse_architecture("VGG"), 3, SHAPE, head(**SMALL))


def test_the_same_draws_give_the_same_bits_and_others_do_not() -> None:
    made, found = network(), []
    for seed in (1, 1, 2):
        made.zero_grad()
        made.draw_from(torch.Generator().manual_seed(seed))
        torch.manual_seed(100 + len(found))  # torch's own generator has no effect
        _, loss = made(*batch())
        loss.backward()
        found.append(torch.cat([one.grad.flatten() for one in made.parameters() if one.grad is not None]))
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


def test_a_test_changes_nothing_and_is_the_same_again() -> None:
    made = network().eval()
    before = {name: each.clone() for name, each in made.state_dict().items()}
    with torch.no_grad():
        (found, loss), (again, other) = made(*batch()), made(*batch())
    assert found.shape == (2, 100, 6) and torch.equal(found, again) and torch.equal(loss, other)
    assert torch.equal(made(batch()[0]), found)
    assert all(torch.equal(each, before[name]) for name, each in made.state_dict().items())


def test_frozen_sections_and_batch_norm_keep_their_values() -> None:
    made = network()
    made.freeze(2, True)
    before = {name: each.clone() for name, each in made.state_dict().items()}
    made.train()
    optimizer = torch.optim.SGD(made.parameters(), 0.1)
    _, loss = made(*batch())
    loss.backward()
    optimizer.step()
    changed = {name for name, each in made.state_dict().items() if not torch.equal(each, before[name])}
    assert changed and not any(name.startswith(("conv1.", "conv2.")) for name in changed)
    norms = {name for name, module in made.named_modules() if isinstance(module, torch.nn.BatchNorm2d)}
    assert not {name.rpartition(".")[0] for name in changed} & norms


def test_the_sampler_takes_as_many_as_torchvisions() -> None:
    draws = torch.Generator().manual_seed(0)
    for number, objects, background in ((16, 20, 30), (16, 2, 30), (16, 2, 3), (8, 0, 20)):
        matched = torch.cat([torch.full((objects,), 2.0), torch.zeros(background), torch.full((5,), -1.0)])
        ours = [masks[0].sum().item() for masks in Sampler(number, 0.25)([matched])]
        theirs = [masks[0].sum().item() for masks in BalancedPositiveNegativeSampler(number, 0.25)([matched])]
        assert ours == theirs
        sampler = Sampler(number, 0.25)
        sampler.generator = draws
        positive, negative = sampler([matched])
        assert not (positive[0].bool() & (matched < 1)).any() and not (negative[0].bool() & (matched != 0)).any()
