"""Files of Torch7 and functional-zoo's names: read as their networks' order and folded batch norm say; nothing runs."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ablate.errors import DataError
from ablate.nets.build import build
from ablate.nets.families import blueprint
from ablate.nets.notation import parse_architecture
from ablate.nets.torch7 import Torch7Object, modules_with_weights, read_torch7
from ablate.nets.weights import check_weights, fit_weights

SHAPE = (3, 64, 64)


class Written:
    """Torch7's binary format, written from plain values; a tuple (class, fields) is an object."""

    def __init__(self) -> None:
        self.data, self.number = bytearray(), 0

    def text(self, text: str) -> None:
        self.data += struct.pack("<i", len(text)) + text.encode()

    def begin(self, kind: int, name: str = "") -> None:
        self.number += 1
        self.data += struct.pack("<ii", kind, self.number)
        if name:
            self.text("V 1")
            self.text(name)

    def add(self, value: Any) -> Written:
        if value is None:
            self.data += struct.pack("<i", 0)
        elif isinstance(value, bool):
            self.data += struct.pack("<ii", 5, value)
        elif isinstance(value, (int, float)):
            self.data += struct.pack("<id", 1, value)
        elif isinstance(value, str):
            self.data += struct.pack("<i", 2)
            self.text(value)
        elif isinstance(value, dict):
            self.begin(3)
            self.data += struct.pack("<i", len(value))
            for pair in value.items():
                for each in pair:
                    self.add(each)
        elif isinstance(value, tuple):
            self.begin(4, value[0])
            self.add(value[1])
        else:
            array = np.ascontiguousarray(value, "<f4")
            self.begin(4, "torch.CudaTensor")
            strides = [stride // 4 for stride in array.strides]
            self.data += struct.pack(f"<i{2 * array.ndim + 1}q", array.ndim, *array.shape, *strides, 1)
            self.begin(4, "torch.CudaStorage")
            self.data += struct.pack("<q", array.size) + array.tobytes()
        return self


def module_of(module: nn.Module) -> tuple[str, dict[Any, Any]]:
    """A module of ours as the authors' code builds it."""
    arrays = {key: value.numpy() for key, value in module.state_dict().items() if value.ndim}
    if isinstance(module, nn.Conv2d):
        return "cudnn.SpatialConvolution", {**arrays, "nInputPlane": module.in_channels}
    if isinstance(module, nn.BatchNorm2d):
        return "nn.SpatialBatchNormalization", {**arrays, "eps": 1e-5, "train": False}
    if isinstance(module, nn.Linear):
        return "nn.Linear", arrays
    inside = [module_of(child) for child in module.children()]
    return "nn.Sequential", {"modules": dict(enumerate(inside, 1))}


def drawn(name: str) -> nn.Module:
    network = build(blueprint(parse_architecture(name, imagenet=True), 10, SHAPE))
    generator = torch.Generator().manual_seed(0)
    for key, value in network.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.rand(value.shape, generator=generator) + (0.5 if "var" in key else 0))
    return network.eval()


@pytest.mark.parametrize("name", ["ResNet-18", "ResNet-50"])
@pytest.mark.parametrize("inside", [False, True])
def test_a_network_of_torch7(name: str, inside: bool, tmp_path: Path) -> None:
    network, path = drawn(name), tmp_path / "net.t7"
    value = module_of(network)
    path.write_bytes(Written().add({"epoch": 90, "model": value} if inside else value).data)
    found = fit_weights(path, parse_architecture(name, imagenet=True), network)
    assert found.names == "Torch7"
    assert all(torch.equal(value, found.state[key]) for key, value in network.state_dict().items())


def fold(network: nn.Module) -> dict[str, torch.Tensor]:
    """The weights of a bottleneck network by functional-zoo's names, batch norm folded into the convolution before it."""
    found = {}

    def add(name: str, convolution: nn.Module, norm: nn.Module) -> None:
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        found[f"{name}.weight"] = convolution.weight * scale[:, None, None, None]
        found[f"{name}.bias"] = norm.bias - norm.running_mean * scale

    (_, opening), *groups, (_, closing) = network.named_children()
    add("conv0", *[layer for layer in opening if isinstance(layer, (nn.Conv2d, nn.BatchNorm2d))])
    for g, (_, blocks) in enumerate(groups):
        for b, block in enumerate(blocks):
            layers = [layer for layer in block.branch if isinstance(layer, (nn.Conv2d, nn.BatchNorm2d))]
            for n in range(3):
                add(f"group{g}.block{b}.conv{n}", *layers[2 * n : 2 * n + 2])
            if len(block.shortcut):
                add(f"group{g}.block{b}.conv_dim", *block.shortcut)
    (linear,) = (layer for layer in closing if isinstance(layer, nn.Linear))
    return found | {"fc.weight": linear.weight, "fc.bias": linear.bias}


@pytest.mark.parametrize("name", ["ResNet-50", "ResNeXt-50-32x4d"])
@torch.no_grad()
def test_batch_norm_that_is_folded_into_a_bias(name: str, tmp_path: Path) -> None:
    architecture, path = parse_architecture(name, imagenet=True), tmp_path / "zoo.pth"
    network = drawn(name).double()
    folded = fold(network)
    torch.save(folded, path)
    assert check_weights(path, architecture, 10, SHAPE)["names"] == "functional-zoo"
    other = build(blueprint(architecture, 10, SHAPE)).double()
    other.load_state_dict(fit_weights(path, architecture, other).state)
    images = torch.randn((2, *SHAPE), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(other.eval()(images), network(images), rtol=1e-6, atol=0)
    torch.save({**folded, "group9.block0.conv0.weight": torch.zeros(1)}, path)
    with pytest.raises(DataError, match=r"found group9\.block0\.conv0\.weight, which ResNe"):
        fit_weights(path, architecture, other)
    torch.save({key: value for key, value in folded.items() if key != "conv0.bias"}, path)
    with pytest.raises(DataError, match=r"conv0\.bias: is missing"):
        fit_weights(path, architecture, other)


def test_what_a_file_can_hold(tmp_path: Path) -> None:
    value = {"a": None, "b": [[1.5, -2.0], [0.0, 3.0]], "c": {1: True, 2: "text"}, "d": 7}
    (tmp_path / "a.t7").write_bytes(Written().add(value).data)
    found = read_torch7(tmp_path / "a.t7")
    assert found["b"].tolist() == value.pop("b") and found.keys() - {"b"} == value.keys()
    assert {key: found[key] for key in value} == value


def written(*parts: Any) -> bytes:
    return b"".join(part if isinstance(part, bytes) else struct.pack("<i", part) for part in parts)


TENSOR = written(4, 1, 3, b"V 1", 17, b"torch.FloatTensor")
STORAGE = written(4, 2, 3, b"V 1", 18, b"torch.FloatStorage", struct.pack("<q", 2), struct.pack("<2f", 1, 2))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "damaged"),
        (written(1), "damaged"),
        (written(99), "unknown type 99"),
        (written(6, 1), "a function, which is not run"),
        (written(8, 1, 4, b"dump"), "a function, which is not run"),
        (written(2, -1), "a length of -1"),
        (written(2, 1 << 17), "a text of 131,072 bytes"),
        (written(2, 100, b"short"), "ends too early"),
        (b"".join(written(3, i, 1) for i in range(200)), "nested more than 100 deep"),
        (written(3, 1, 1 << 30), "a length of"),
        (written(3, 1, 1, 3, 2, 0, 0), "a dict as a key"),
        (TENSOR + written(99), "a tensor of 99 axes"),
        (TENSOR + written(1) + struct.pack("<3q", 3, 1, 1) + STORAGE, "outside of its storage"),
        (TENSOR + written(1) + struct.pack("<3q", 2, -1, 2) + STORAGE, "outside of its storage"),
        (TENSOR + written(1) + struct.pack("<3q", 1 << 40, 0, 1) + STORAGE, "larger than its storage"),
        (TENSOR + written(1) + struct.pack("<3q", 2, 1, 0) + STORAGE, "outside of its storage"),
        (TENSOR + written(1) + struct.pack("<3q", 2, 1, 1) + written(0)[:2], "damaged"),
        (STORAGE[:-4], "ends too early"),
        (
            TENSOR[:-17] + b"torch.FloatTensor" + written(1) + struct.pack("<3q", 2, 1, 1) + written(4, 1),
            "without a storage|damaged",
        ),
    ],
)
def test_a_hostile_file_is_one_line(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "net.t7"
    path.write_bytes(data)
    with pytest.raises(DataError, match=message) as error:
        read_torch7(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (1.0, "a Torch7 file of float"),
        (("nn.Sequential", {"modules": {}}), "found 0 modules with weights; the network has 41"),
        (("nn.Sequential", {"modules": 3}), "found 0 modules"),
    ],
)
def test_a_file_of_another_network(value: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "net.t7"
    path.write_bytes(Written().add(value).data)
    with pytest.raises(DataError, match=message):
        check_weights(path, parse_architecture("ResNet-18"), 10, SHAPE)


def test_modules_that_contain_each_other_are_read_once(tmp_path: Path) -> None:
    """A file whose tables refer to one another many times over would otherwise be walked without end."""
    chain = written(4, 1, 3, b"V 1", 13, b"nn.Sequential", 3, 2, 1, 2, 7, b"modules", 3, 3, 2)
    chain += written(1) + struct.pack("<d", 1) + written(4, 1) + written(1) + struct.pack("<d", 2) + written(4, 1)
    (tmp_path / "net.t7").write_bytes(chain)
    with pytest.raises(DataError, match="found 0 modules"):
        check_weights(tmp_path / "net.t7", parse_architecture("ResNet-18"), 10, SHAPE)


def test_modules_that_no_network_has_are_one_line() -> None:
    deep = Torch7Object("nn.Sequential", {})
    for _ in range(2000):  # each written beside the others, so that the file itself is not deep
        deep = Torch7Object("nn.Sequential", {"modules": {1: deep}})
    with pytest.raises(DataError, match="modules nested more than 100 deep"):
        list(modules_with_weights(deep))
    ones = np.ones(3, np.float32)
    norm = Torch7Object("nn.BatchNormalization", {"weight": ones, "running_std": ones, "eps": {}})
    with pytest.raises(DataError, match="whose eps is dict; allowed: a number"):
        list(modules_with_weights(norm))
