"""Streamed images: decoded by worker processes when they are needed, and sent to the device in batches of uint8.

The draws for an image depend on a separate seed, so the number of processes does not change the result.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from typing import Any, NamedTuple, Union

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from ablate.data.annotations import decode_image, in_square
from ablate.data.augment import augment_with_boxes, transforms
from ablate.data.augmentation_lists import Augment
from ablate.data.decoding import open_image
from ablate.data.listing import Listing
from ablate.errors import DataError
from ablate.processes.child import end_with_parent
from ablate.processes.limits import count_cores

WORKERS = 16  # the most processes that decode
SHARED = "/dev/shm"  # where torch keeps memory that processes share
AGAIN = "restore the file and run again"

Batch = tuple[Tensor, Tensor]  # images uint8 (B, H, W, C), labels int64 (B,)


class Streamed(NamedTuple):
    """Images that are never all in memory.

    Args:
        files: The images.
        labels: int64 (N,), on the CPU.
        image_size: Height and width in pixels after cropping.
        device: That batches are sent to.
    """

    files: Listing
    labels: Tensor
    image_size: int
    device: torch.device


def take_files(files: Listing, image_size: int, device: torch.device) -> Streamed:
    """The images of a listing, ready to be streamed to a device.

    Args:
        files: The images.
        image_size: Height and width in pixels after cropping.
        device: That batches are sent to.
    """
    if files.labels.ndim > 1:
        files = files._replace(labels=in_square(files.labels, image_size))
    return Streamed(files, torch.from_numpy(files.labels), image_size, device)


def stream(
    part: Streamed,
    order: Tensor,
    batch_size: int,
    augment: Augment = "none",
    draws: int = 0,
    streams: int = 1,
    times: Tensor | None = None,
) -> Iterator[Batch]:
    """The images at an order in batches (images, labels) on the device; the last batch has the remaining images.

    Args:
        part: The images.
        order: Indices, int64 (N,).
        batch_size: Images per batch.
        augment: The name of a list of augmentation steps, or steps; "none" for the central crop.
        draws: Seed of the steps' draws.
        streams: Number of streams that share the machine's cores.
        times: How often each image of the order was taken before, int64 (N,), as from times_before(); None: never.

    Raises:
        DataError: An image cannot be read or has changed since the run began, or the system has no memory or file
            descriptors left for decoded images.
    """
    batches = -(-len(order) // batch_size)
    loader: DataLoader[Any] = DataLoader(
        Decoded(part.files, part.image_size, augment),
        batch_size,
        sampler=_Order(order, draws, torch.zeros_like(order) if times is None else times),
        num_workers=max(1, min(WORKERS, count_cores() // streams, batches)),
        collate_fn=_collate,
        pin_memory=part.device.type == "cuda",
        generator=torch.Generator(),  # a loader draws a number that is not used here; the global generator must not change
        worker_init_fn=_end_with_parent,  # otherwise it runs on for seconds after the trial, and holds its lock
    )
    for batch in _explaining(loader):
        if isinstance(batch, DataError):
            raise batch
        images, labels = batch
        yield images.to(part.device, non_blocking=True), labels.to(part.device, non_blocking=True)


def _explaining(loader: DataLoader[Any]) -> Iterator[Any]:
    """The batches of a loader. Raises DataError if the system has no memory or file descriptors left for them."""
    try:
        yield from loader
    except (OSError, RuntimeError) as error:
        said = str(error)
        if any(words in said for words in ("shared memory", "Bus error", "No space left on device")):
            raise DataError(
                f"{SHARED} is full: decoded batches pass through it, it has {_megabytes(SHARED)}; "
                f"enlarge it (docker run --shm-size=8g; mount -o remount,size=8g {SHARED}), or use fewer slots"
            ) from None
        if "Too many open files" in said or "ancdata" in said:
            raise DataError(
                "no file descriptors are left for decoded batches; allow more (ulimit -n 65536), or use fewer slots"
            ) from None
        raise


def _megabytes(folder: str) -> str:
    """The size of a folder's file system as text."""
    try:
        return f"{shutil.disk_usage(folder).total / 2**20:,.0f} MiB"
    except OSError:
        return "no room at all"


def _end_with_parent(worker: int) -> None:
    """End this decoding process when its parent process ends."""
    end_with_parent()


def draw_seed(draws: int, index: int, times: int = 0) -> int:
    """The seed of the draws for one image.

    Args:
        draws: Seed of all draws.
        index: Of the image.
        times: How often it was taken before in the same order.
    """
    named = f"{draws}/{index}{f'/{times}' if times else ''}"
    return int.from_bytes(hashlib.sha256(named.encode()).digest()[:8], "big") >> 1


def times_before(order: Tensor) -> Tensor:
    """How often each image of an order stands before in it, int64 (N,).

    Args:
        order: Indices, int64 (N,).
    """
    found, places = order.sort(stable=True)
    place = torch.arange(len(order))
    first = torch.where(torch.cat([torch.ones(1, dtype=torch.bool), found[1:] != found[:-1]])[: len(order)], place, 0)
    return torch.empty_like(order).scatter_(0, places, place - first.cummax(0).values)


class _Order(Sampler[tuple[int, int]]):
    """(index, seed of its draws) of each image in order."""

    def __init__(self, order: Tensor, draws: int, times: Tensor) -> None:
        self.order, self.draws, self.times = order, draws, times

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for start in range(0, len(self.order), 4096):  # converting a million numbers at once would delay the first batch
            some = slice(start, start + 4096)
            for index, times in zip(self.order[some].tolist(), self.times[some].tolist()):
                yield index, draw_seed(self.draws, index, times)


class Decoded(Dataset[Union[Batch, DataError]]):
    """Decoded images: (image uint8 (size, size, 3), label). For an image that cannot be read, the item is a DataError.

    An error raised in a decoding process would be shown to the user with the traceback of that process.

    Args:
        files: The images.
        size: Height and width in pixels after cropping.
        augment: The name of a list of augmentation steps, or steps.
    """

    def __init__(self, files: Listing, size: int, augment: Augment) -> None:
        from torchvision.transforms import Compose

        self.files, self.size, self.augment = files, size, augment
        self.boxes = files.labels.ndim > 1
        self.transform = None if self.boxes else Compose(transforms(augment, size))

    def __getitem__(self, item: tuple[int, int]) -> Batch | DataError:
        index, seed = item
        path, listed = self.files.path(index), int(self.files.sizes[index])
        try:
            found = os.stat(path)
            if found.st_size != listed:
                return DataError(f"{path}: {found.st_size:,} bytes, it had {listed:,} when the run began; {AGAIN}")
            if found.st_mtime_ns != self.files.changed[index]:
                return DataError(f"{path}: changed since the run began; {AGAIN}")
            image = decode_image(path, self.files.labels[index], self.size) if self.boxes else open_image(path)
        except (OSError, DataError) as error:
            reason = str(error) if isinstance(error, DataError) else f"{path}: cannot be read as an image: {error}"
            return DataError(f"{reason}; {AGAIN}")
        with torch.random.fork_rng(devices=[]):  # torchvision draws from torch's global generator
            torch.default_generator.manual_seed(seed)
            if self.transform is None:
                return augment_with_boxes(image, self.files.labels[index], self.augment)
            image = self.transform(image)
        return torch.from_numpy(np.array(image)), torch.tensor(self.files.labels[index])


def _collate(items: list[Batch | DataError]) -> Batch | DataError:
    """A batch, or the first error among its items."""
    errors = [item for item in items if isinstance(item, DataError)]
    return errors[0] if errors else tuple(default_collate(items))
