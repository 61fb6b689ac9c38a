"""What a trial has trained, back from its record: its network, and the images that it is tested on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from ablate.data.class_names import class_names
from ablate.data.location import Location
from ablate.data.streaming import Batch, Streamed
from ablate.data.tensors import LabelledTensors, Normalization
from ablate.errors import DataError, RecordError
from ablate.nets.build import build
from ablate.nets.custom import check_code
from ablate.own_modules import look_in
from ablate.records.code import has_code
from ablate.records.records import Record
from ablate.study.data import Data
from ablate.study.study import Trial
from ablate.train.arithmetic import autocast, set_as
from ablate.train.batches import TestBatches, resident_batch
from ablate.train.checkpoint import most_bytes, read_checkpoint
from ablate.train.randomness import generator
from ablate.train.setup import ImageCache, TrialImages, configured

Network = nn.Module
Split = Literal["test", "validation"]


@dataclass(frozen=True, repr=False)
class TestData:
    """The images that a trial is tested on. Iterated, it gives batches as the network takes them.

    Each batch is (images, labels): float32 (B, C, H, W), normalized as in training, and int64 (B,).

    Args:
        images: As they are read, uint8 (N, H, W, C), or whitened float32; None where they are read one by one from files.
        labels: int64 (N,), from 0.
        classes: The name of each class; its number where the data set names none.
        normalization: Of the pixels, in units of 0..255.
        batch_size: Images of a batch.
    """

    __test__ = False  # pytest

    images: Tensor | None
    labels: Tensor
    classes: tuple[str, ...]
    normalization: Normalization
    batch_size: int
    _part: LabelledTensors | Streamed

    def __repr__(self) -> str:
        return f"<TestData: {len(self):,} images, {len(self.classes)} classes>"

    def __len__(self) -> int:
        """How many images there are."""
        return len(self.labels)

    def __iter__(self) -> Iterator[Batch]:
        batches = TestBatches(self._part, self.normalization, self.batch_size)
        batches.begin(1)
        for size in batches.sizes:
            yield batches.take(size)


def restore_network(trial: Trial, record: Record, folders: tuple[Path, ...] = ()) -> nn.Module:
    """The network of a recorded trial after its last epoch, on the CPU, in evaluation mode.

    Where the recipe keeps a moving average of the weights, the network has the average, which is what is tested.

    Args:
        trial: The trial.
        record: Its record, with its last checkpoint.
        folders: Where a reader's modules are looked for first.

    Raises:
        AblateError: The training diverged, its checkpoint is missing or damaged, or the reader's code has changed.
    """
    if record.diverged:
        raise DataError(f"{record.directory}: the training diverged; it has no network; choose a trial that is recorded")
    if has_code(trial.definition):
        look_in(*folders)
    if trial.architecture.code:
        check_code(trial.architecture)
    network: nn.Module = build(
        trial.blueprint, generator(trial.seed, "initialization")
    )  # no draw of torch's global generator
    state = read_checkpoint(record.directory, record.result["epochs"], most_bytes(network, trial.recipe))
    try:
        network.load_state_dict(state.get("average") or state["network"])
    except (RuntimeError, TypeError, AttributeError):  # of tensors with other names or shapes, or of something else
        raise DataError(f"{record.directory}: its checkpoint is of another network; remove it and run again") from None
    return network.to(memory_format=torch.channels_last).eval()


def restore_images(trial: Trial, record: Record | None, location: Location, device: str, split: Split | None) -> TestData:
    """The images that a trial is tested on, in batches of the size that a trial has.

    Args:
        trial: The trial.
        record: Its record, which says what images it was made with; None: any.
        location: Where the images are.
        device: As torch names it.
        split: "test", or "validation" for the images that a trial holds out; None: test images if the trial reads them.

    Raises:
        DataError: The images are missing or damaged, or the trial has no such images.
        RecordError: The record was made with other images.
    """
    split = split_of(trial, split)
    images = _load_images(trial.data, location, torch.device(device))
    if record and record.result.get("data_digest") not in (None, images.digest):
        raise RecordError(
            f"{record.directory}: recorded on images of digest {record.result['data_digest']}, those in place now have "
            f"{images.digest}; restore the images"
        )
    part = images.final if trial.data.held_out and split == "test" else images.test
    assert part is not None
    streamed = isinstance(part, Streamed)
    names = class_names(trial.data.name, trial.data.classes, location.of(trial.data.root).root, bool(trial.data.split))
    pixels = part.images if isinstance(part, LabelledTensors) else None
    size = trial.recipe.batch_size if streamed or trial.data.task.entry.own_loss else resident_batch(torch.device(device))
    return TestData(pixels, part.labels, names, images.normalization, size, part)


def split_of(trial: Trial, split: Split | None) -> Split:
    """The images that are meant: those that are named, else the test images if the trial reads them.

    Args:
        trial: The trial.
        split: "test", "validation" or None.

    Raises:
        DataError: The trial has no such images.
    """
    held_out = trial.data.held_out
    reads = held_out is None or held_out.test
    split = split or ("test" if reads else "validation")
    if split not in ("test", "validation"):
        raise DataError(f"split: found '{split}'; allowed: test, validation")
    if split == "validation" and held_out is None:
        raise DataError("split: the trial holds no images out; allowed: test")
    if split == "test" and not reads:
        raise DataError("split: the trial of a search never reads the test images; allowed: validation")
    return split


@lru_cache(maxsize=1)
def _load_images(data: Data, location: Location, device: torch.device) -> TrialImages:
    return ImageCache().load(data, location, device)


def pass_images(network: nn.Module, trial: Trial, data: TestData, device: str = "cpu") -> np.ndarray[Any, Any]:
    """The logits of images, float32 (N, classes), computed in the precision of the trial.

    Args:
        network: From restore_network(); it is moved to the device.
        trial: Says the precision.
        data: The images, on the device.
        device: As torch names it.
    """
    with configured(device) as on, set_as(trial.recipe), torch.inference_mode():
        network.to(on)
        found = []
        for images, _ in data:
            with autocast(trial.recipe, on):
                logits = network(images)
            found.append(logits.float().cpu())
        array: np.ndarray[Any, Any] = torch.cat(found).numpy()
        return array
