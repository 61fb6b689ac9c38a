"""Weights from files with the tensor names of ablate, torchvision or functional-zoo, and from files of Torch7.

A user-defined network has the names of its own state_dict(), or ablate's, which a checkpoint has.

The residual networks for ImageNet have the names of torchvision's resnet.py, which timm's pretrained files share:
conv1, bn1, layer<group>.<block>.conv<n>, .bn<n>, .downsample.<n>, fc. Those of functional-zoo are conv0,
group<group>.block<block>.conv<n>, .conv_dim, fc; their batch norm is folded into the bias of each convolution. A file of
Torch7 has no names: its modules are taken in the order of the network.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ablate.errors import DataError
from ablate.nets.architecture import Architecture
from ablate.nets.blueprint import Shape
from ablate.nets.build import build
from ablate.nets.families import blueprint
from ablate.nets.notation import format_architecture
from ablate.nets.torch7 import modules_with_weights, read_torch7

PUBLIC = ("ImageNet-ResNet", "ImageNet-ResNeXt")
INSIDE = ("average", "state_dict", "model", "network")  # keys of a file that may hold the weights, the best first
TORCH7 = ".t7"
IMAGENET_CLASSES = 1000  # of a file of Torch7
OWN_DEPTH = 3  # names before those of a user-defined network's own tensors
OPTIONAL = ".num_batches_tracked"  # missing in older files, and without effect on the output


class Weights(NamedTuple):
    """The tensors of a file that match a network.

    Args:
        state: Tensors by ablate's names.
        names: Convention of the names in the file: "torchvision", "functional-zoo", "Torch7", "ablate", or a user-defined
            "module:callable".
        tensors: Number of tensors in the file.
        parameters: Trainable numbers of the network.
    """

    state: dict[str, Tensor]
    names: str
    tensors: int
    parameters: int


def _has_public_names(architecture: Architecture) -> bool:
    """Whether torchvision defines names for a network: a post-activation residual network for ImageNet."""
    return architecture.family in PUBLIC and architecture.activation_order == "post"


@lru_cache(maxsize=64)
def public_names(architecture: Architecture) -> Mapping[str, str]:
    """torchvision's name of every tensor by ablate's name, in the order of the network.

    Raises:
        DataError: Torchvision defines no names for the network.
    """
    if not _has_public_names(architecture):
        found = f"{format_architecture(architecture)} has no public names"
        raise DataError(f"{found}; allowed: post-activation {' and '.join(PUBLIC)}")
    with torch.device("meta"):
        network = build(blueprint(architecture))
    return {
        f"{ours}.{tensor}": f"{public}.{tensor}"
        for ours, public in _module_names(network)
        for tensor in network.get_submodule(ours).state_dict()
    }


def _module_names(network: nn.Sequential) -> Iterator[tuple[str, str]]:
    """(ablate's name, torchvision's name) of every module in order, modules without weights included."""
    (stem, opening), *groups, (head, closing) = network.named_children()
    yield from _numbered(opening, f"{stem}.", "")
    for i, (group, blocks) in enumerate(groups, 1):
        for j, block in blocks.named_children():
            ours, public = f"{group}.{j}", f"layer{i}.{j}"
            yield from _numbered(block.get_submodule("branch"), f"{ours}.branch.", f"{public}.")
            for n, _ in block.get_submodule("shortcut").named_children():
                yield f"{ours}.shortcut.{n}", f"{public}.downsample.{n}"
    for n, _ in closing.named_children():
        yield f"{head}.{n}", "fc"


def _numbered(layers: nn.Module, ours: str, public: str) -> Iterator[tuple[str, str]]:
    """conv1, bn1, conv2, bn2, ...: a normalization has the number of the convolution before it."""
    n = 0
    for name, layer in layers.named_children():
        convolution = isinstance(layer, nn.Conv2d)
        n += convolution
        yield f"{ours}{name}", f"{public}{'conv' if convolution else 'bn'}{n}"


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by the names in the file, on the CPU. Code in the file is not run.

    The tensors may be under "average", "state_dict", "model" or "network". The prefix "module." of
    their names is removed.

    Args:
        path: A safetensors file, or a state_dict that torch.save wrote.

    Raises:
        DataError: The file is missing or damaged, or is not a state_dict.
    """
    if not path.is_file():
        raise DataError(f"weights {path}: no such file")
    try:
        found = _load(path)
    except Exception as error:  # damaged bytes can raise any error
        raise DataError(f"weights {path}: {_why(path, error)}") from None
    for key in INSIDE:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
            break
    tensors = isinstance(found, Mapping) and all(isinstance(tensor, Tensor) for tensor in found.values())
    if not tensors or not found:
        raise DataError(f"weights {path}: no state_dict; allowed: names and tensors, bare or under {', '.join(INSIDE)}")
    return {str(key).removeprefix("module."): tensor for key, tensor in found.items()}


def _load(path: Path) -> Any:
    """The content of a file, without running code in it."""
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if sum(part.file_size for part in archive.infolist()) > path.stat().st_size:  # torch.save does not compress
                raise ValueError("unpacks to more than it is")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns about old file formats
        return torch.load(path, map_location="cpu", weights_only=True)


def _why(path: Path, error: Exception) -> str:
    """The reason for an error while reading a file, as a text."""
    if isinstance(error, PermissionError):
        return "may not be read"
    if refused := re.search(r"GLOBAL ([\w.]+)", str(error)):
        return f"asks for {refused[1]}, which is code and is not run; allowed: tensors alone, as state_dict() has them"
    kind = "safetensors file" if path.suffix == ".safetensors" else "state_dict that torch.save wrote"
    return f"damaged, or no {kind} ({type(error).__name__})"


def fit_weights(path: Path, architecture: Architecture, network: nn.Module) -> Weights:
    """The weights of a file for a network, by ablate's names; the file may have ablate's or torchvision's names.

    Args:
        path: A safetensors file, or a state_dict that torch.save wrote.
        architecture: The network.
        network: Its module; it may be on the meta device.

    Raises:
        DataError: The file cannot be read, or a tensor is missing, unexpected, or has another shape or kind of number.
    """
    wanted = network.state_dict()
    parameters = sum(parameter.numel() for parameter in network.parameters())
    if path.suffix == TORCH7:
        state = _in_order(path, architecture, network)
        return Weights(state, "Torch7", len(state), parameters)
    found = read_weights(path)
    if _has_public_names(architecture) and "group0.block0.conv0.weight" in found:
        return Weights(_unfolded(path, architecture, network, found), "functional-zoo", len(found), parameters)
    names: Mapping[str, str] = {key: key for key in wanted}
    public, whose = _other_names(architecture, wanted)
    is_public = sum(name in found for name in public.values()) > sum(name in found for name in names)
    names = public if is_public else names
    if problems := list(_problems(found, {names[key]: tensor for key, tensor in wanted.items()})):
        more = f" ({len(problems) - 1} more)" if len(problems) > 1 else ""
        raise DataError(f"weights {path} for {format_architecture(architecture)}: {problems[0]}{more}")
    state = {key: found.get(names[key], tensor) for key, tensor in wanted.items()}
    return Weights(state, whose if is_public else "ablate", len(found), parameters)


def load_body(path: Path, architecture: Architecture, input_shape: Shape, network: nn.Module) -> None:
    """Put the weights of a classifier into a network of another task that has the same layers up to its head.

    Args:
        path: A file of the classifier, with any number of classes, as for fit_weights().
        architecture: The network.
        input_shape: (channels, height, width) of an image.
        network: Of the other task; is changed in place.

    Raises:
        DataError: The file cannot be read, or is of another network.
    """
    found = {} if path.suffix == TORCH7 else read_weights(path)
    outputs = [len(tensor) for name, tensor in found.items() if tensor.ndim == 2 and name.endswith("weight")]
    with torch.device("meta"):
        classifier = build(blueprint(architecture, outputs[-1] if outputs else IMAGENET_CLASSES, input_shape))
    state, own = fit_weights(path, architecture, classifier).state, network.state_dict()
    head = next(name for name, module in reversed([*classifier.named_modules()]) if isinstance(module, nn.Linear))
    network.load_state_dict({**own, **{name: state[name] for name in state if not name.startswith(f"{head}.")}})


def _in_order(path: Path, architecture: Architecture, network: nn.Module) -> dict[str, Tensor]:
    """The state of a network from a file of Torch7, module by module in the order of the network."""
    if not path.is_file():
        raise DataError(f"weights {path}: no such file")
    whose = f"weights {path} for {format_architecture(architecture)}"
    found = list(modules_with_weights(read_torch7(path)))
    ours = {name: each for name, each in network.named_modules() if isinstance(getattr(each, "weight", None), Tensor)}
    if len(found) != len(ours):
        raise DataError(f"{whose}: found {len(found)} modules with weights; the network has {len(ours)}")
    state = dict(network.state_dict())
    for (name, module), tensors in zip(ours.items(), found):
        for key, wanted in module.state_dict().items():
            if key == OPTIONAL.strip("."):
                continue
            if key not in tensors:
                raise DataError(f"{whose}: {name}.{key} {tuple(wanted.shape)} is missing")
            tensor = torch.from_numpy(np.array(tensors[key]))
            flat = tensor.numel() == wanted.numel() and tensor.shape[:1] == wanted.shape[:1] and tensor.ndim < wanted.ndim
            if tensor.shape != wanted.shape and not flat:  # SpatialConvolutionMM has one axis for channels and kernel
                raise DataError(f"{whose}: {name}.{key}: found {tuple(tensor.shape)}; allowed: {tuple(wanted.shape)}")
            state[f"{name}.{key}"] = tensor.reshape(wanted.shape).to(wanted.dtype)
    return state


def _unfolded(path: Path, architecture: Architecture, network: nn.Module, found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of a network from functional-zoo's names. Batch norm then only adds the bias: mean 0, variance 1 - eps."""
    state, left = dict(network.state_dict()), set(found)
    names = public_names(architecture)
    for name, public in {key.rpartition(".")[0]: public.rpartition(".")[0] for key, public in names.items()}.items():
        module = network.get_submodule(name)
        theirs = _zoo_name(public)
        key = f"{theirs}.{'bias' if isinstance(module, nn.BatchNorm2d) else 'weight'}"
        wanted = [(key, f"{name}.{key.rpartition('.')[2]}")]
        wanted += [(f"{theirs}.bias", f"{name}.bias")] if isinstance(module, nn.Linear) else []
        for key, own in wanted:
            if key not in found or found[key].shape != state[own].shape:
                have = f"found {tuple(found[key].shape)}; allowed: " if key in found else "is missing; it has the shape "
                shape = tuple(state[own].shape)
                raise DataError(f"weights {path} for {format_architecture(architecture)}: {key}: {have}{shape}")
            state[own] = found[key].to(state[own].dtype)
            left.discard(key)
        if isinstance(module, nn.BatchNorm2d):
            state[f"{name}.weight"], state[f"{name}.running_mean"] = (
                torch.ones(len(module.weight)),
                torch.zeros(len(module.weight)),
            )
            state[f"{name}.running_var"] = torch.full((len(module.weight),), 1 - module.eps)
    if left:
        raise DataError(f"weights {path}: found {min(left)}, which {format_architecture(architecture)} does not have")
    return state


def _zoo_name(public: str) -> str:
    """functional-zoo's name of a convolution, of the batch norm that is folded into it, or of fc, by torchvision's."""
    if found := re.fullmatch(r"layer(\d)\.(\d+)\.(?:conv|bn)(\d)", public):
        return f"group{int(found[1]) - 1}.block{found[2]}.conv{int(found[3]) - 1}"
    if found := re.fullmatch(r"layer(\d)\.(\d+)\.downsample\.\d", public):
        return f"group{int(found[1]) - 1}.block{found[2]}.conv_dim"
    return {"conv1": "conv0", "bn1": "conv0"}.get(public, public)


def _other_names(architecture: Architecture, wanted: Mapping[str, Tensor]) -> tuple[Mapping[str, str], str]:
    """(the other name of every tensor by ablate's name, whose names these are); without any, an empty mapping."""
    if architecture.python:  # the module is alone in a section and in a container; its own names are without them
        return {key: key.split(".", OWN_DEPTH)[-1] for key in wanted}, architecture.python
    return (public_names(architecture) if _has_public_names(architecture) else {}), "torchvision"


def _problems(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> Iterator[str]:
    """The differences between the tensors of a file and those of a network, as texts."""
    for name, tensor in wanted.items():
        if name not in found:
            if not name.endswith(OPTIONAL):
                yield f"{name} {tuple(tensor.shape)} is missing"
        elif found[name].shape != tensor.shape:
            yield f"{name}: found {tuple(found[name].shape)}; allowed: {tuple(tensor.shape)}"
        elif tensor.is_floating_point() != found[name].is_floating_point():
            yield f"{name}: found {found[name].dtype}; allowed: {tensor.dtype}"
    for name in found:
        if name not in wanted:
            yield f"found {name} {tuple(found[name].shape)}, which the network does not have"


def check_weights(
    path: Path, architecture: Architecture, classes: int, input_shape: tuple[int, int, int]
) -> dict[str, Any]:
    """How a file matches a network, as plain values: file, names, tensors, parameters.

    Args:
        path, architecture: As in fit_weights().
        classes: Number of classes.
        input_shape: (channels, height, width) of an image.

    Raises:
        DataError: The file cannot be read, or does not match the network.
    """
    with torch.device("meta"):
        network = build(blueprint(architecture, classes, input_shape))
    fitting = fit_weights(path, architecture, network)
    return {"file": str(path), "names": fitting.names, "tensors": fitting.tensors, "parameters": fitting.parameters}
