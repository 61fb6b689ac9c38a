"""Operations on pixels with a magnitude for each image, and the policies that draw them.

An image's draws are a row of (operation, magnitude) pairs, applied in order. The images of a batch that have the same
operation are changed together, so a batch takes about as many calls as there are operations, whatever its size.

Source: the operations and their ranges are those of Cubuk et al., "AutoAugment" (2019) and "RandAugment" (2020), and of
Müller and Hutter, "TrivialAugment" (2021), as torchvision computes them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import grid_sample
from torchvision.transforms import AutoAugment, AutoAugmentPolicy
from torchvision.transforms.v2 import functional

from ablate.registry import Settings

BINS = 31  # magnitudes of RandAugment and TrivialAugment
POLICY_BINS = 10  # magnitudes of AutoAugment's policies


class Operation(NamedTuple):
    """An operation on images.

    Args:
        change: (images uint8 (B, C, H, W), magnitudes float32 (B,)) -> images of the same shape and type.
        wide: The magnitudes at both ends of TrivialAugment's range; None: the operation has no magnitude.
        narrow: Those of RandAugment and AutoAugment.
        signed: Whether the sign of the magnitude is drawn.
        whole: (magnitude) -> the whole number that is used; None: the magnitude itself.
    """

    change: Callable[[Tensor, Tensor], Tensor]
    wide: tuple[float, float] | None = None
    narrow: tuple[float, float] | None = None
    signed: bool = False
    whole: Callable[[Tensor], Tensor] | None = None


def _blend(images: Tensor, others: Tensor | float, factors: Tensor) -> Tensor:
    """images * factor + others * (1 - factor), cut to 0..255."""
    return (images * factors + others * (1 - factors)).clamp(0, 255).to(torch.uint8)


def _factors(magnitudes: Tensor) -> Tensor:
    return 1 + magnitudes[:, None, None, None]


def _brightness(images: Tensor, magnitudes: Tensor) -> Tensor:
    return _blend(images, 0.0, _factors(magnitudes))


def _saturation(images: Tensor, magnitudes: Tensor) -> Tensor:
    return _blend(images, functional.rgb_to_grayscale(images), _factors(magnitudes))


def _contrast(images: Tensor, magnitudes: Tensor) -> Tensor:
    gray = functional.rgb_to_grayscale(images).float()
    return _blend(images, gray.mean((1, 2, 3), keepdim=True), _factors(magnitudes))


def _sharpness(images: Tensor, magnitudes: Tensor) -> Tensor:
    return _blend(images, functional.adjust_sharpness(images, 0.0), _factors(magnitudes))


def _posterize(images: Tensor, magnitudes: Tensor) -> Tensor:
    """The images with the given number of leading bits of each pixel."""
    lost = 2 ** (8 - magnitudes.long())
    return images & (256 - lost).to(torch.uint8)[:, None, None, None]


def _solarize(images: Tensor, magnitudes: Tensor) -> Tensor:
    """The images with pixels from 255 * magnitude on inverted."""
    return torch.where(images >= 255 * magnitudes[:, None, None, None], 255 - images, images)


def _hue(images: Tensor, magnitudes: Tensor) -> Tensor:
    """The images with the hue shifted by a part of the color circle, -0.5 to 0.5; images with one channel stay as they are.

    Source: Smith, "Color gamut transform pairs", 1978. Hues are counted in sixths of the circle.
    """
    if images.shape[1] == 1:
        return images
    scaled = images / 255
    red, green, blue = scaled.unbind(1)
    least, most = scaled.aminmax(dim=1)
    chroma = most - least
    divisor = torch.where(chroma > 0, chroma, 1)
    of_red, of_green, of_blue = (green - blue) / divisor, (blue - red) / divisor + 2, (red - green) / divisor + 4
    hue = torch.where(most == red, of_red, torch.where(most == green, of_green, of_blue))
    hue = hue + 6 * magnitudes[:, None, None]
    channels = []
    for start in (5, 3, 1):
        sixth = (start + hue) % 6
        channels.append(most - chroma * torch.minimum(sixth, 4 - sixth).clamp(0, 1))
    return (255 * torch.stack(channels, 1)).round().to(torch.uint8)


def _affine(matrices: Callable[[Tensor, int], tuple[Any, ...]]) -> Callable[[Tensor, Tensor], Tensor]:
    """An operation that reads each pixel at another place; places outside of the image are black.

    Args:
        matrices: (magnitudes, side in pixels) -> the six numbers of the matrix from a pixel's place to the place that is
            read, row by row, in pixels from the center.
    """

    def change(images: Tensor, magnitudes: Tensor) -> Tensor:
        n, side = len(images), images.shape[-1]
        rows = [torch.as_tensor(each, device=images.device).expand(n) for each in matrices(magnitudes, side)]
        matrix = torch.stack(rows, 1).float().view(n, 2, 3)
        line = torch.linspace((1 - side) / 2, (side - 1) / 2, side, device=images.device)
        x, y = line.expand(side, side), line[:, None].expand(side, side)
        places = torch.stack([x, y, torch.ones_like(x)], 2).view(1, -1, 3).expand(n, -1, -1)
        grid = (places @ (matrix.transpose(1, 2) / (side / 2))).view(n, side, side, 2)
        return grid_sample(images.float(), grid, mode="nearest", align_corners=False).to(torch.uint8)

    return change


def _rotation(degrees: Tensor, side: int) -> tuple[Any, ...]:
    angle = degrees.deg2rad()
    return angle.cos(), -angle.sin(), 0.0, angle.sin(), angle.cos(), 0.0


_WIDTH = 150 / 331  # of AutoAugment's translation: 150 pixels of an image of 331
OPERATIONS: dict[str, Operation] = {
    "Identity": Operation(lambda images, magnitudes: images),
    "ShearX": Operation(  # about the upper left corner, as in the authors' code
        _affine(lambda shear, side: (1.0, shear, shear * side / 2, 0.0, 1.0, 0.0)), (0, 0.99), (0, 0.3), signed=True
    ),
    "ShearY": Operation(
        _affine(lambda shear, side: (1.0, 0.0, 0.0, shear, 1.0, shear * side / 2)), (0, 0.99), (0, 0.3), signed=True
    ),
    "TranslateX": Operation(
        _affine(lambda shift, side: (1.0, 0.0, -shift, 0.0, 1.0, 0.0)), (0, 32), (0, _WIDTH), signed=True, whole=torch.trunc
    ),
    "TranslateY": Operation(
        _affine(lambda shift, side: (1.0, 0.0, 0.0, 0.0, 1.0, -shift)), (0, 32), (0, _WIDTH), signed=True, whole=torch.trunc
    ),
    "Rotate": Operation(_affine(_rotation), (0, 135), (0, 30), signed=True),
    "Brightness": Operation(_brightness, (0, 0.99), (0, 0.9), signed=True),
    "Color": Operation(_saturation, (0, 0.99), (0, 0.9), signed=True),
    "Contrast": Operation(_contrast, (0, 0.99), (0, 0.9), signed=True),
    "Sharpness": Operation(_sharpness, (0, 0.99), (0, 0.9), signed=True),
    "Posterize": Operation(_posterize, (8, 2), (8, 4), whole=torch.round),
    "Solarize": Operation(_solarize, (1, 0), (1, 0)),
    "AutoContrast": Operation(lambda images, magnitudes: functional.autocontrast(images)),
    "Equalize": Operation(lambda images, magnitudes: functional.equalize(images)),
    "Invert": Operation(lambda images, magnitudes: functional.invert(images)),
    "Hue": Operation(_hue),
}
NUMBER = {name: number for number, name in enumerate(OPERATIONS)}
RANDOM = tuple(name for name in OPERATIONS if name not in ("Invert", "Hue"))  # of RandAugment and TrivialAugment


def magnitude(name: str, bins: Tensor, of: int, side: int, wide: bool = False) -> Tensor:
    """The magnitude of an operation without its sign, float32 of the shape of `bins`.

    Args:
        name: In OPERATIONS.
        bins: Numbers of the magnitudes, int64, from 0.
        of: How many magnitudes there are.
        side: Of the images, in pixels.
        wide: Whether the range is TrivialAugment's.
    """
    operation = OPERATIONS[name]
    ends = operation.wide if wide else operation.narrow
    if ends is None:
        return torch.zeros(bins.shape)
    scale = side if name.startswith("Translate") and not wide else 1
    values = scale * torch.linspace(*ends, of)[bins]
    return operation.whole(values) if operation.whole else values


def _signs(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """-1 or 1, each as likely, float32."""
    return 1 - 2 * torch.randint(0, 2, shape, generator=generator).float()


def _drawn(names: tuple[str, ...], bins: Tensor, side: int, wide: bool, generator: torch.Generator) -> Tensor:
    """Draws of uniformly chosen operations, float32 (N, layers, 2), with magnitudes of the given numbers (N, layers)."""
    chosen = torch.randint(0, len(names), bins.shape, generator=generator)
    signs = _signs(tuple(bins.shape), generator)
    numbers = torch.tensor([float(NUMBER[name]) for name in names])[chosen]
    sizes = torch.stack([magnitude(name, torch.arange(BINS), BINS, side, wide) for name in names])[chosen, bins]
    signed = torch.tensor([OPERATIONS[name].signed for name in names])[chosen]
    return torch.stack([numbers, torch.where(signed, sizes * signs, sizes)], 2)


def draw_trivial_augment(n: int, side: int, generator: torch.Generator, settings: Settings) -> Tensor:
    """One operation of any magnitude for each image, as float32 (N, 1, 2): the operation's number and its magnitude.

    Args:
        n, side, generator: As in Augmentation.draw.
        settings: None.
    """
    bins = torch.randint(0, BINS, (n, 1), generator=generator)
    return _drawn(RANDOM, bins, side, True, generator)


def draw_rand_augment(n: int, side: int, generator: torch.Generator, settings: Settings) -> Tensor:
    """Some operations of one magnitude for each image, as float32 (N, operations, 2).

    Args:
        n, side, generator: As in Augmentation.draw.
        settings: `n`, how many operations; `m`, the number of their magnitude, 0 to 30.
    """
    bins = torch.full((n, settings["n"]), settings["m"])
    return _drawn(RANDOM, bins, side, False, generator)


def draw_auto_augment(n: int, side: int, generator: torch.Generator, settings: Settings) -> Tensor:
    """The two operations of a policy for each image, each drawn with its probability, as float32 (N, 2, 2).

    Args:
        n, side, generator: As in Augmentation.draw.
        settings: `policy`, in lower case, a name of torchvision's AutoAugmentPolicy.
    """
    policies = auto_augment(settings["policy"]).policies
    chosen = torch.randint(0, len(policies), (n,), generator=generator)
    chances = torch.rand((n, 2), generator=generator)
    signs = _signs((n, 2), generator)
    table = torch.zeros((len(policies), 2, 4))  # number, magnitude, signed, probability
    for i, pair in enumerate(policies):
        for j, (name, probability, number) in enumerate(pair):
            size = magnitude(name, torch.tensor(number or 0), POLICY_BINS, side)
            table[i, j] = torch.tensor([NUMBER[name], size, OPERATIONS[name].signed, probability])
    numbers, sizes, signed, probabilities = table[chosen].unbind(2)
    found = torch.stack([numbers, torch.where(signed > 0, sizes * signs, sizes)], 2)
    return found * (chances <= probabilities)[:, :, None]  # the operation of number 0 is the identity


def auto_augment(policy: str) -> Any:
    """torchvision's transform of one image with a policy.

    Args:
        policy: In lower case, a name of torchvision's AutoAugmentPolicy.
    """
    return AutoAugment(AutoAugmentPolicy(policy))


def draw_color_jitter(n: int, side: int, generator: torch.Generator, settings: Settings) -> Tensor:
    """Changes of brightness, contrast, saturation and hue in a random order, as float32 (N, changes, 2).

    Args:
        n, side, generator: As in Augmentation.draw.
        settings: `brightness`, `contrast`, `saturation` and `hue`: the largest change of each, 0 for none.
    """
    names = {"brightness": "Brightness", "contrast": "Contrast", "saturation": "Color", "hue": "Hue"}
    used = [field for field in names if settings[field] > 0]
    strengths = torch.tensor([float(settings[field]) for field in used])
    least = torch.where(torch.tensor([field == "hue" for field in used]), -strengths, (-strengths).clamp(min=-1))
    sizes = least + (strengths - least) * torch.rand((n, len(used)), generator=generator)
    numbers = torch.tensor([float(NUMBER[names[field]]) for field in used]).expand(n, -1)
    order = torch.rand((n, len(used)), generator=generator).argsort(1)
    return torch.stack([numbers, sizes], 2).gather(1, order[:, :, None].expand(-1, -1, 2))


def operate(images: Tensor, draws: Tensor, fitted: Tensor | None = None) -> Tensor:
    """The images after their operations. The given images are overwritten.

    How many images have an operation differs from batch to batch, so a CUDA graph cannot contain this.

    Args:
        images: uint8 (B, H, W, C).
        draws: float32 (B, layers, 2) on the CPU: the number of an operation and its magnitude, in order.
        fitted: Not read.
    """
    changed = images.permute(0, 3, 1, 2)
    for numbers, magnitudes in (layer.unbind(1) for layer in draws.unbind(1)):
        for number, operation in enumerate(OPERATIONS.values()):
            rows = (numbers == number).nonzero()[:, 0]
            if number and len(rows):
                at = rows.to(images.device)
                changed[at] = operation.change(changed[at], magnitudes[rows].to(images.device))
    return images
