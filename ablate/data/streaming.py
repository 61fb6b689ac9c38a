"""Images decoded as they are needed, by processes of their own, and streamed to the device in batches of uint8.

What is drawn for an image depends on a seed of its own, so the number of processes changes nothing.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from typing import Any, NamedTuple, Union

import joblib
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from ablate.data.augmentations import Augment, transforms
from ablate.data.imagenet import Listing
from ablate.data.sources import open_image
from ablate.errors import DataError
from ablate.processes.child import end_with_parent

WORKERS = 16  # at most: processes that decode
SHARED = "/dev/shm"  # where torch keeps what processes share
AGAIN = "put back the file that was there and run again"

Batch = tuple[Tensor, Tensor]  # images uint8 (B, H, W, C), labels int64 (B,)


class Streamed(NamedTuple):
    """Images that are never all in memory: where they are, their labels int64 (N,), their side in pixels when cropped."""

    files: Listing
    labels: Tensor
    image_size: int
    device: torch.device


def take_files(files: Listing, image_size: int, device: torch.device) -> Streamed:
    """The images of a listing, to be streamed to the device."""
    return Streamed(files, torch.from_numpy(files.labels), image_size, device)


def stream(
    part: Streamed, order: Tensor, batch_size: int, augment: Augment = "none", draws: int = 0, streams: int = 1
) -> Iterator[Batch]:
    """The images at order (N,) in batches on the device, the last one as small as it comes.

    augment: a list of steps or its name; none: the crop in the middle; draws: the seed of what the steps draw.
    streams: how many of them share this machine's cores.
    Raises DataError, which names the file, for an image that cannot be read or is not the one it was, and which says
    what to do where there is no room for decoded images.
    """
    batches = -(-len(order) // batch_size)
    loader: DataLoader[Any] = DataLoader(
        Decoded(part.files, part.image_size, augment),
        batch_size,
        sampler=_Order(order, draws),
        num_workers=max(1, min(WORKERS, joblib.cpu_count() // streams, batches)),
        collate_fn=_collate,
        pin_memory=part.device.type == "cuda",
        generator=torch.Generator(),  # a loader draws a number that is used by nothing here, else from torch's own
        worker_init_fn=_end_with_parent,  # it would live on for seconds, and hold the trial's lock
    )
    for batch in _explaining(loader):
        if isinstance(batch, DataError):
            raise batch
        images, labels = batch
        yield images.to(part.device, non_blocking=True), labels.to(part.device, non_blocking=True)


def _explaining(loader: DataLoader[Any]) -> Iterator[Any]:
    """The batches of a loader. Raises DataError where the system has no room for them."""
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
    try:
        return f"{shutil.disk_usage(folder).total / 2**20:,.0f} MiB"
    except OSError:
        return "no room at all"


def _end_with_parent(worker: int) -> None:
    end_with_parent()


def draw_seed(draws: int, index: int) -> int:
    """The seed of what is drawn for one image."""
    return int.from_bytes(hashlib.sha256(f"{draws}/{index}".encode()).digest()[:8], "big") >> 1


class _Order(Sampler[tuple[int, int]]):
    """(index, seed of its draws) of one image after the other."""

    def __init__(self, order: Tensor, draws: int) -> None:
        self.order, self.draws = order, draws

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for start in range(0, len(self.order), 4096):  # a million Python numbers at once would take a while
            for index in self.order[start : start + 4096].tolist():
                yield index, draw_seed(self.draws, index)


class Decoded(Dataset[Union[Batch, DataError]]):
    """(image uint8 (size, size, 3), label); an image that cannot be read is the DataError itself.

    One that is raised in a decoding process would reach the user with its traceback.
    """

    def __init__(self, files: Listing, size: int, augment: Augment) -> None:
        from torchvision.transforms import Compose

        self.files, self.transform = files, Compose(transforms(augment, size))

    def __getitem__(self, item: tuple[int, int]) -> Batch | DataError:
        index, seed = item
        path, listed = self.files.path(index), int(self.files.sizes[index])
        try:
            found = os.stat(path)
            if found.st_size != listed:
                return DataError(f"{path}: {found.st_size:,} bytes, it had {listed:,} when the run began; {AGAIN}")
            if found.st_mtime_ns != self.files.changed[index]:
                return DataError(f"{path}: changed since the run began; {AGAIN}")
            image = open_image(path)
        except (OSError, DataError) as error:
            reason = str(error) if isinstance(error, DataError) else f"{path}: cannot be read as an image: {error}"
            return DataError(f"{reason}; {AGAIN}")
        with torch.random.fork_rng(devices=[]):  # torchvision draws from torch's own generator
            torch.default_generator.manual_seed(seed)
            image = self.transform(image)
        return torch.from_numpy(np.array(image)), torch.tensor(self.files.labels[index])


def _collate(items: list[Batch | DataError]) -> Batch | DataError:
    """A batch, or the first error in it."""
    errors = [item for item in items if isinstance(item, DataError)]
    return errors[0] if errors else tuple(default_collate(items))
