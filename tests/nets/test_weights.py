"""The public definitions of torchvision and timm against ours: same names, outputs, gradients; files that do not fit."""

from __future__ import annotations

import copy
import os
import pickle
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import torchvision.models
from safetensors.torch import save_file
from torch import Tensor, nn

from ablate.errors import DataError
from ablate.nets.architecture import Architecture
from ablate.nets.build import build
from ablate.nets.families import blueprint
from ablate.nets.notation import parse_architecture
from ablate.nets.weights import check_weights, fit_weights, public_names, read_weights

TORCHVISION = {
    "resnet18": "ResNet-18",
    "resnet34": "ResNet-34",
    "resnet50": "ResNet-50",
    "resnet101": "ResNet-101",
    "resnet152": "ResNet-152",
    "wide_resnet50_2": "WRN-50-2-bottleneck",
    "resnext50_32x4d": "ResNeXt-50-32x4d",
    "resnext101_64x4d": "ResNeXt-101-64x4d",
}
TIMM = {**TORCHVISION, "resnet200": "ImageNet-ResNet-200", "resnext101_32x4d": "ResNeXt-101-32x4d"}
CLASSES, SHAPE = 10, (3, 64, 64)


def architecture_of(name: str) -> Architecture:
    return parse_architecture(name, imagenet=True)


def ours(name: str, classes: int = CLASSES) -> nn.Sequential:
    return build(blueprint(architecture_of(name), classes, SHAPE))


def on_meta(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.device("meta"):
        return make()


@torch.no_grad()
def randomized(network: nn.Module, seed: int = 0) -> nn.Module:
    """A network on the meta device brought to the CPU, every parameter and every statistic of batch norm drawn at random,
    at a scale that keeps the signal."""
    network.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.weight.normal_(0, module.weight[0].numel() ** -0.5, generator=generator)
        if isinstance(module, nn.Linear):
            module.bias.normal_(generator=generator)
        if isinstance(module, nn.BatchNorm2d):
            module.weight.uniform_(0.5, 1.5, generator=generator)
            module.bias.normal_(0, 0.2, generator=generator)
            module.running_mean.normal_(0, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
            module.num_batches_tracked.fill_(7)
    return network


@lru_cache(maxsize=1)  # the tests of one network follow one another
def public(name: str) -> nn.Module:
    return randomized(on_meta(lambda: torchvision.models.get_model(name, weights=None, num_classes=CLASSES)))


def images(n: int = 2) -> Tensor:
    return torch.randn(n, *SHAPE, generator=torch.Generator().manual_seed(1))


def assert_same_outputs(theirs: nn.Module, mine: nn.Module) -> None:
    with torch.inference_mode():
        expected, found = theirs.eval()(images()), mine.eval()(images())
    assert expected.std() > 1e-2  # the weights are alive
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5 * expected.abs().max().item())


def to_public(architecture: Architecture, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state_dict with ablate's names under torchvision's names."""
    names = public_names(architecture)
    return {names[key]: tensor for key, tensor in state.items()}


def from_public(architecture: Architecture, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state_dict with torchvision's names under ablate's names."""
    names = {public: ours for ours, public in public_names(architecture).items()}
    return {names[key]: tensor for key, tensor in state.items()}


def loaded(architecture: Architecture, theirs: nn.Module) -> nn.Module:
    """Ours with weights equal to theirs and not shared with them."""
    network = on_meta(lambda: build(blueprint(architecture, CLASSES, SHAPE)))
    copied = {key: tensor.clone() for key, tensor in from_public(architecture, theirs.state_dict()).items()}
    network.load_state_dict(copied, assign=True)
    return network


@pytest.mark.parametrize("name", TORCHVISION)
def test_same_outputs_as_torchvision(name: str) -> None:
    assert_same_outputs(public(name), loaded(architecture_of(TORCHVISION[name]), public(name)))


@pytest.mark.parametrize("name", TORCHVISION)
def test_the_mapping_goes_both_ways(name: str) -> None:
    architecture = architecture_of(TORCHVISION[name])
    theirs = on_meta(lambda: torchvision.models.get_model(name, weights=None)).state_dict()
    mine = on_meta(lambda: ours(TORCHVISION[name], 1000)).state_dict()
    there = to_public(architecture, mine)
    assert list(there) == list(theirs) and [t.shape for t in there.values()] == [t.shape for t in theirs.values()]
    assert list(from_public(architecture, there)) == list(mine)
    assert all(from_public(architecture, there)[key] is tensor for key, tensor in mine.items())


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnext50_32x4d"])  # a block of each kind
def test_same_gradients_and_statistics_as_torchvision(name: str) -> None:
    """In float64 to 1e-9, far below the rounding of float32, which double precision keeps out of the comparison."""
    architecture = architecture_of(TORCHVISION[name])
    theirs = copy.deepcopy(public(name)).double().train()
    mine = loaded(architecture, theirs).train()
    x, labels = images()[..., :33, :33].double(), torch.tensor([3, 9])  # 2x2 pixels are left of 33x33 in the last group
    losses = [F.cross_entropy(network(x), labels) for network in (theirs, mine)]
    for loss in losses:
        loss.backward()
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-12)
    expected = from_public(architecture, {key: p.grad for key, p in theirs.named_parameters()})
    for key, parameter in mine.named_parameters():
        scale = expected[key].abs().max().item()
        assert scale > 0
        torch.testing.assert_close(parameter.grad, expected[key], rtol=1e-9, atol=1e-9 * scale, msg=key)
    statistics = from_public(architecture, dict(theirs.named_buffers()))
    for key, buffer in mine.named_buffers():
        torch.testing.assert_close(buffer, statistics[key], rtol=1e-9, atol=1e-12, msg=key)


@pytest.mark.parametrize("name", TIMM)
def test_same_counts_and_names_as_timm(name: str) -> None:
    timm = pytest.importorskip("timm")
    theirs = on_meta(lambda: timm.create_model(name, pretrained=False))
    mine = on_meta(lambda: ours(TIMM[name], 1000))
    counted = [sum(p.numel() for p in network.parameters()) for network in (theirs, mine)]
    assert counted[0] == counted[1]
    shapes = {key: tensor.shape for key, tensor in to_public(architecture_of(TIMM[name]), mine.state_dict()).items()}
    assert shapes == {key: tensor.shape for key, tensor in theirs.state_dict().items()}


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50", "resnet200", "wide_resnet50_2", "resnext50_32x4d"])
def test_same_outputs_as_timm(name: str) -> None:
    timm = pytest.importorskip("timm")
    theirs = randomized(on_meta(lambda: timm.create_model(name, pretrained=False, num_classes=CLASSES)))
    assert_same_outputs(theirs, loaded(architecture_of(TIMM[name]), theirs))


@pytest.mark.parametrize("name", ["WRN-28-10", "ResNet-20", "pre-ResNet-200", "ResNet-50-pre", "ResNeXt-29-8x64d"])
def test_a_network_without_public_definition_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="no public names; allowed: post-activation ImageNet-ResNet and"):
        public_names(parse_architecture(name))


# Files


SMALL = "WRN-10-0.25"


@pytest.fixture
def state() -> dict[str, Tensor]:
    return public("resnet18").state_dict()


def fit(path: Path, name: str = "ResNet-18", classes: int = CLASSES) -> dict[str, Any]:
    return check_weights(path, architecture_of(name), classes, SHAPE)


@pytest.mark.parametrize("inside", [None, "state_dict", "model", "network"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_where_weights_may_lie(tmp_path: Path, state: dict[str, Tensor], inside: str | None, prefix: str) -> None:
    held: Any = {prefix + key: tensor for key, tensor in state.items()}
    torch.save({inside: held, "epoch": 90} if inside else held, tmp_path / "w.pt")
    assert read_weights(tmp_path / "w.pt").keys() == state.keys()
    parameters = sum(p.numel() for p in public("resnet18").parameters())
    file = str(tmp_path / "w.pt")
    assert fit(tmp_path / "w.pt") == {"file": file, "names": "torchvision", "tensors": 122, "parameters": parameters}


def test_every_format_and_both_names_load_the_same_network(tmp_path: Path, state: dict[str, Tensor]) -> None:
    architecture = architecture_of("ResNet-18")
    mine = from_public(architecture, state)
    save_file(state, tmp_path / "public.safetensors")
    save_file(mine, tmp_path / "ours.safetensors")
    torch.save(mine, tmp_path / "ours.pt")
    for file, names in (("public.safetensors", "torchvision"), ("ours.safetensors", "ablate"), ("ours.pt", "ablate")):
        network = ours("ResNet-18")
        fitting = fit_weights(tmp_path / file, architecture, network)
        network.load_state_dict(fitting.state)
        assert fitting.names == names
        assert all(torch.equal(tensor, mine[key]) for key, tensor in network.state_dict().items())


def test_our_names_serve_networks_without_public_ones(tmp_path: Path) -> None:
    torch.save({"network": ours(SMALL).state_dict(), "epoch": 3}, tmp_path / "checkpoint.pt")
    assert fit(tmp_path / "checkpoint.pt", SMALL)["names"] == "ablate"


def test_old_files_without_batch_counters_fit(tmp_path: Path, state: dict[str, Tensor]) -> None:
    old = {key: tensor for key, tensor in state.items() if not key.endswith("num_batches_tracked")}
    torch.save(old, tmp_path / "old.pth")
    network = ours("ResNet-18")
    network.load_state_dict(fit_weights(tmp_path / "old.pth", architecture_of("ResNet-18"), network).state)
    assert_same_outputs(public("resnet18"), network)


def refusal(path: Path, name: str = "ResNet-18", classes: int = CLASSES) -> str:
    with pytest.raises(DataError) as caught:
        fit(path, name, classes)
    text = str(caught.value)
    assert "\n" not in text and str(path) in text
    return text


def test_what_does_not_fit_is_named(tmp_path: Path, state: dict[str, Tensor]) -> None:
    path = tmp_path / "w.pt"
    torch.save(state, path)
    assert "fc.weight: found (10, 512); allowed: (1000, 512) (1 more)" in refusal(path, classes=1000)
    assert "layer1.2.conv1.weight (64, 64, 3, 3) is missing" in refusal(path, "ResNet-34")
    assert "for WRN-28-10: conv1.0.weight (16, 3, 3, 3) is missing" in refusal(path, "WRN-28-10")
    torch.save({key: tensor for key, tensor in state.items() if key != "layer3.0.bn2.bias"}, path)
    assert refusal(path).endswith("layer3.0.bn2.bias (256,) is missing")
    torch.save({**state, "fc.scale": torch.ones(3)}, path)
    assert refusal(path).endswith("found fc.scale (3,), which the network does not have")
    torch.save({**state, "fc.weight": torch.ones(10, 512, dtype=torch.int8)}, path)
    assert refusal(path).endswith("fc.weight: found torch.int8; allowed: torch.float32")


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path, protocol: int) -> None:
    marker, path = tmp_path / "ran", tmp_path / "w.pt"

    class Code:
        def __reduce__(self) -> Any:
            return (os.mkdir, (str(marker),))

    path.write_bytes(pickle.dumps({"fc.weight": Code()}, protocol))
    refusal(path)
    torch.save({"fc.weight": Code()}, path)
    assert "asks for posix.mkdir, which is code and is not run" in refusal(path)
    assert not marker.exists()
    pickle.loads(pickle.dumps(Code()))
    assert marker.exists()  # it would have run


def test_files_that_cannot_be_read(tmp_path: Path, state: dict[str, Tensor]) -> None:
    assert refusal(tmp_path / "none.pt").endswith("no such file")
    assert refusal(tmp_path).endswith("no such file")
    save_file(state, tmp_path / "w.safetensors")
    torch.save(state, tmp_path / "w.pt")
    for file in ("w.safetensors", "w.pt"):
        path = tmp_path / file
        whole = path.read_bytes()
        for damaged in (b"", b"hello world", bytes(range(256)) * 8, whole[:1000], whole[:-1000]):
            path.write_bytes(damaged)
            assert "damaged, or no s" in refusal(path)
    for odd in ([1, 2], {"epoch": 3}, {}, {"state_dict": {"a": 1}}, torch.ones(3)):
        torch.save(odd, tmp_path / "odd.pt")
        assert "no state_dict; allowed" in refusal(tmp_path / "odd.pt")
