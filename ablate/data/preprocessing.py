"""The table of preprocessing: transformations of images before the network, fitted to the training images.

A package adds one by an entry point in the group `ablate.preprocessing`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ablate.registry import Kind, Registry

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ablate.data.tensors import Normalization

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # published values, for images in 0..1


@dataclass(frozen=True, eq=False, kw_only=True)
class Preprocessing(Kind):
    """A preprocessing of images.

    Args:
        fit: (training images (N, H, W, C), uint8 or prepared) -> the normalization of a batch.
        streamed: (device) -> the normalization for streamed images; None if it is not possible with them.
        prepare: Transforms all images before training, with the arguments of whitening.load_whitened(); None for nothing.
    """

    fit: Callable[[Tensor], Normalization]
    streamed: Callable[[torch.device], Normalization] | None = None
    prepare: Callable[..., Any] | None = None


def _tensors() -> Any:
    """The module of normalizations, which needs torch."""
    from ablate.data import tensors

    return tensors


def _whiten(*arguments: Any) -> Any:
    """whitening.load_whitened(), imported only when it is called."""
    from ablate.data.whitening import load_whitened

    return load_whitened(*arguments)


def _published_mean_std(device: torch.device) -> Normalization:
    """ImageNet's published mean and standard deviation, in units of 0..255."""
    import torch

    normalization: Normalization = _tensors().Normalization(
        *(torch.tensor(values, device=device) * 255 for values in (IMAGENET_MEAN, IMAGENET_STD))
    )
    return normalization


def _divided_by(divisor: float) -> Callable[[Tensor], Normalization]:
    """A fit that returns mean 0 and the divisor as the standard deviation of every channel."""
    return lambda images: _constant(divisor, images.shape[-1], images.device)


def _constant(std: float, channels: int, device: torch.device) -> Normalization:
    """Mean 0 and one standard deviation for every channel."""
    normalization: Normalization = _tensors().constant_normalization((0.0,) * channels, (std,) * channels, device)
    return normalization


PREPROCESSING = Registry(
    "ablate.preprocessing",
    Preprocessing,
    Preprocessing(
        name="meanstd", words="mean/std", fit=lambda images: _tensors().mean_and_std(images), streamed=_published_mean_std
    ),
    Preprocessing(
        name="zca",
        words="ZCA-whitened",
        fit=_divided_by(1.0),  # the images are already whitened
        prepare=_whiten,
        explained="global contrast normalization, then whitening",
    ),
    Preprocessing(
        name="scale",
        words="divided by 255",
        fit=_divided_by(255.0),
        streamed=lambda device: _constant(255.0, 3, device),
        explained="divided by 255",
    ),
    Preprocessing(name="none", words="raw", fit=_divided_by(1.0), streamed=lambda device: _constant(1.0, 3, device)),
)
