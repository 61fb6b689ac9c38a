"""evaluate(): measures the errors of a network with weights from a file.

The validation images of ImageNet are streamed, not decoded all at once, and cropped as in the published measurements of
torchvision's and timm's weights.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from torch import nn

from ablate.data.cache import load_images
from ablate.data.data_sets import DATA_SETS, source_of
from ablate.data.listing import list_part
from ablate.data.location import Location
from ablate.data.preprocessing import PREPROCESSING
from ablate.data.streaming import Batch, stream, take_files
from ablate.data.tensors import Normalization, normalize, to_tensors
from ablate.errors import DataError, printable
from ablate.kinds.measures import count_errors as count_errors_of
from ablate.kinds.measures import count_top5_errors, percentage
from ablate.nets.architecture import Architecture
from ablate.nets.build import build
from ablate.nets.counts import count
from ablate.nets.families import blueprint
from ablate.nets.notation import format_architecture
from ablate.nets.weights import fit_weights
from ablate.train.setup import configure

PUBLISHED = {  # errors on ImageNet, in percent, that the authors state beside their weights
    "WRN-50-2-bottleneck": {"top1_error": 21.9, "top5_error": 6.03},
    "ResNeXt-50-32x4d": {"top1_error": 22.2},
    "ResNeXt-101-32x4d": {"top1_error": 21.2},
    "ResNeXt-101-64x4d": {"top1_error": 20.4},
}
PLAIN_SECONDS = 60.0  # between lines of progress if the console is no terminal


class EvaluatedImages(NamedTuple):
    """The test images of an evaluation.

    Args:
        batches: Of images, uint8 of shape (B, H, W, C), and labels, of shape (B,), on the CPU or the device.
        images: Number of images.
        classes: Number of classes.
        normalization: Of the pixels.
    """

    batches: Iterable[Batch]
    images: int
    classes: int
    normalization: Normalization


def evaluate(
    architecture: Architecture,
    weights: Path,
    data: str,
    location: Location,
    device: str = "cpu",
    classes: int | None = None,
    image_size: int | None = None,
    batch_size: int = 64,
    console: Console | None = None,
) -> dict[str, Any]:
    """Measure the top-1 and top-5 error, in percent, on the test images; for ImageNet, on the validation images.

    Args:
        architecture: Of the network.
        weights: Path of the file of weights.
        data: A name in DATA_SETS.
        location: Where the images are.
        device: As torch names it, "cpu" or "cuda".
        classes: Number of classes of the network; None: that of the data set.
        image_size: Side of the images in pixels; None: that of the data set. An image_folder needs it.
        batch_size: Images of a batch.
        console: Shows progress; None: standard error.

    Returns:
        Errors, those that the authors publish for their weights, the network, data set, weights, numbers of parameters and
        images, in plain values.

    Raises:
        AblateError: The images or weights are missing or do not fit.
    """
    known = DATA_SETS[data]
    classes, size = classes or known.classes, known.image_size or image_size
    if classes is None or size is None or known.channels is None:
        raise DataError(f"{data}: `classes` and `image_size` must be given")
    if image_size not in (None, size):
        raise DataError(f"{data}: `image_size`: found {image_size}; allowed: {size}")
    console, on = console or Console(stderr=True), configure(device)
    layers = blueprint(architecture, classes, (known.channels, size, size))
    count(layers)  # raises an error for images that are too small for the network
    network = build(layers)
    fitting = fit_weights(weights, architecture, network)
    network.load_state_dict(fitting.state)
    network.to(device=on, memory_format=torch.channels_last)  # type: ignore[call-overload]
    about = data, size, location, batch_size, on
    part = streamed_images(*about) if known.streamed else _small_images(*about, console)
    if part.classes != classes:
        raise DataError(f"{data}: the images have {part.classes} classes, the network {classes}; set `classes`")
    top1, top5 = count_errors(network, _shown(part, console), part.normalization, on)
    return {
        "net": format_architecture(architecture),
        "data": data,
        "weights": str(weights),
        "names": fitting.names,
        "parameters": fitting.parameters,
        "images": part.images,
        "top1_error": percentage(top1, part.images),
        "top5_error": percentage(top5, part.images),
        "published": PUBLISHED.get(format_architecture(architecture), {}) if data == "imagenet" else {},
    }


@torch.inference_mode()
def count_errors(
    network: nn.Module, batches: Iterable[Batch], normalization: Normalization, device: torch.device
) -> tuple[int, int]:
    """Count the top-1 and top-5 errors; an image with a logit that is not finite counts as an error in both.

    Args:
        network: On the device.
        batches: Of images, uint8 of shape (B, H, W, C), and labels, of shape (B,).
        normalization: Of the pixels, on the device.
        device: Where the network runs.
    """
    network.eval()
    errors = torch.zeros(2, dtype=torch.int64, device=device)
    for batch in batches:
        pixels, labels = (tensor.to(device, non_blocking=True) for tensor in batch)
        logits = network(normalize(pixels, normalization)).float()
        labels = labels.where(logits.isfinite().all(1), -1)  # which no prediction equals
        errors += torch.stack([count(logits, labels) for count in (count_errors_of, count_top5_errors)])
    top1, top5 = errors.tolist()
    return top1, top5


def streamed_images(data: str, size: int, location: Location, batch_size: int, device: torch.device) -> EvaluatedImages:
    """The test images of a streamed data set, such as ImageNet's in ROOT/val/<class>/; the classes are in sorted order.

    Args:
        data: A name in DATA_SETS, of a data set that is streamed.
        size: Side of the images in pixels.
        location: Where the images are.
        batch_size: Images of a batch.
        device: Of the normalization.

    Raises:
        DataError: The images are missing or damaged.
    """
    parts = source_of(data).parts
    assert parts is not None, "streamed images have files"
    files = take_files(list_part(parts(location.root, ("test",))[0], location.root, data), size, device)
    batches = stream(files, torch.arange(len(files.labels)), batch_size)
    streamed = PREPROCESSING[DATA_SETS[data].preprocess].streamed
    assert streamed is not None
    return EvaluatedImages(batches, len(files.labels), len(files.files.classes), streamed(device))


def _small_images(
    data: str, size: int, location: Location, batch_size: int, device: torch.device, console: Console
) -> EvaluatedImages:
    """The test images of a small data set, with the normalization of its trials: by statistics of all training images."""

    def announce(message: str) -> None:
        console.print(printable(message), highlight=False, markup=False, soft_wrap=True)

    images, _ = load_images(data, size, location, announce)
    train = to_tensors(images.train_images, images.train_labels, device)
    test = to_tensors(images.test_images, images.test_labels, device)
    firsts = range(0, len(test.labels), batch_size)
    batches = ((test.images[i : i + batch_size], test.labels[i : i + batch_size]) for i in firsts)
    normalization = PREPROCESSING[DATA_SETS[data].preprocess].fit(train.images)
    return EvaluatedImages(batches, len(test.labels), len(np.unique(images.train_labels)), normalization)


def _shown(part: EvaluatedImages, console: Console) -> Iterator[Batch]:
    """Yield the batches and show the progress: a bar in a terminal, elsewhere a line each minute."""
    done, printed = 0, time.monotonic()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("images", total=part.images)
        for batch in part.batches:
            yield batch
            done += len(batch[1])
            bar.update(task, completed=done)
            if not console.is_terminal and time.monotonic() - printed > PLAIN_SECONDS:
                printed = time.monotonic()
                console.print(f"{done:,} of {part.images:,} images", highlight=False)
