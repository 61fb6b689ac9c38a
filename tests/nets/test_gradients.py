"""Every family's gradients on every device that is here, against double precision: a kernel that computes wrongly shows."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from ablate.nets.build import build
from ablate.nets.families import FAMILIES, blueprint, task_of
from ablate.nets.notation import parse_architecture

SMALL = {
    "ImageNet-ResNet": "ResNet-18-w0.25",
    "ImageNet-pre-ResNet": "pre-ResNet-200",
    "ImageNet-ResNeXt": "ResNeXt-50-4x4d",
    "WRN": "WRN-16-1-B(3,1)",
    "ResNet": "ResNet-20",
    "pre-ResNet": "pre-ResNet-29",
    "ResNeXt": "ResNeXt-29-2x4d",
    "NIN": "NIN",
    "VGG": "VGG",
}
LARGE = ("ImageNet-pre-ResNet", "VGG")  # only where there is a GPU
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def gradients(name: str, imagenet: bool, device: str, kind: torch.dtype, layout: torch.memory_format) -> torch.Tensor:
    architecture = parse_architecture(name, imagenet=imagenet)
    classes, shape = task_of(architecture, 10, 64 if imagenet else 32, 3)
    network = build(blueprint(architecture, classes, shape), torch.Generator().manual_seed(0))
    network.to(device=device, dtype=kind, memory_format=layout)  # type: ignore[call-overload]
    draws = torch.Generator().manual_seed(1)
    x = torch.randn(8, *shape, generator=draws).to(device, kind).contiguous(memory_format=layout)
    labels = torch.randint(0, classes, (8,), generator=draws).to(device)
    F.cross_entropy(network.train()(x), labels).backward()  # type: ignore[no-untyped-call]
    return torch.cat([p.grad.double().cpu().flatten() for p in network.parameters() if p.grad is not None])


@pytest.mark.parametrize(
    ("family", "device"),
    [(family, device) for family in SMALL for device in DEVICES if device == "cuda" or family not in LARGE],
)
def test_gradients_in_float32_are_those_of_double_precision(family: str, device: str) -> None:
    """To a twentieth: a ReLU near zero may open in one precision alone, and all below it differs."""
    imagenet = family.startswith("ImageNet")
    exact = gradients(SMALL[family], imagenet, "cpu", torch.float64, torch.contiguous_format)
    found = gradients(SMALL[family], imagenet, device, torch.float32, torch.channels_last)
    assert float((found - exact).norm() / exact.norm()) < 0.05


def test_every_family_has_its_gradients_checked() -> None:
    assert set(SMALL) == {key for key, family in FAMILIES.items() if family.examples}
    for family, name in SMALL.items():
        assert parse_architecture(name, imagenet=family.startswith("ImageNet")).family == family
