"""PyTorch training loops as users write them; the benchmark `train` measures ours against both.

Plain: float32, torchvision's transforms on PIL images, a DataLoader with workers that stay, torch.optim.SGD. Careful: the
network in channels_last memory, autocast if the precision is bfloat16, and whole batches of images augmented as tensors,
without a loader. Both are eager, one process with all cores. Float32 is IEEE float32: torch's default on a GPU is TF32 in
convolutions, which is `precision: tf32` here, and is another way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from ablate.nets.build import build
from ablate.nets.families import blueprint
from ablate.train.arithmetic import set_products
from tests.benchmarks.jobs import TrainJob
from tests.benchmarks.workers import peak_memory, random_images, wait_for


class Images(Dataset[tuple[Tensor, int]]):
    """Images in memory, turned into a PIL image and transformed when asked for, as torchvision's CIFAR10 does."""

    def __init__(self, images: Tensor, labels: Tensor, transform: Callable[[Any], Tensor]) -> None:
        self.images, self.labels, self.transform = images.numpy(), labels.tolist(), transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(transforms.functional.to_pil_image(self.images[index])), self.labels[index]


class Trainer:
    """A network, its optimizer and its loader."""

    def __init__(self, job: TrainJob) -> None:
        self.job, self.device = job, torch.device(job.device)
        set_products(tf32=job.recipe.arithmetic.tf32)
        torch.manual_seed(job.seeds[0])
        data, recipe = job.data, job.recipe
        self.network: nn.Module = build(blueprint(job.architecture, data.classes, data.input_shape)).to(self.device)
        self.optimizer = torch.optim.SGD(
            self.network.parameters(),
            lr=recipe.lr,
            momentum=recipe.values["momentum"],
            nesterov=recipe.values["nesterov"],
            weight_decay=recipe.weight_decay,
        )
        self.loader = self.make_loader()
        self.batch = next(iter(self.loader)) if job.steps_alone else None

    def make_loader(self) -> Iterable[Any]:
        """What gives the batches of a pass: images float32 (B, C, H, W) and labels int64 (B,)."""
        job, data = self.job, self.job.data
        transform = transforms.Compose(
            [
                transforms.RandomCrop(data.image_size, padding=data.image_size // 8, padding_mode="reflect"),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize([0.5] * data.channels, [0.25] * data.channels),
            ]
        )
        return DataLoader(
            Images(*random_images(job), transform),
            job.recipe.batch_size,
            shuffle=True,
            drop_last=True,
            num_workers=job.workers,
            persistent_workers=job.workers > 0,
            pin_memory=self.device.type == "cuda",
        )

    def logits(self, images: Tensor) -> Tensor:
        """Those of a batch, of shape (B, classes)."""
        found: Tensor = self.network(images)
        return found

    def train(self) -> int:
        """One pass over the images, or as many steps on one batch; returns how many images were trained on."""
        self.network.train()
        size = self.job.recipe.batch_size
        trained = 0
        for images, labels in [self.batch] * (self.job.images // size) if self.batch else self.loader:
            images, labels = images.to(self.device, non_blocking=True), labels.to(self.device, non_blocking=True)
            self.optimizer.zero_grad()
            F.cross_entropy(self.logits(images), labels).backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            trained += len(labels)
        return trained


class CarefulTrainer(Trainer):
    """The same with what makes it fast today."""

    def __init__(self, job: TrainJob) -> None:
        super().__init__(job)
        self.network.to(memory_format=torch.channels_last)

    def make_loader(self) -> Iterable[Any]:
        """Batches that are augmented as tensors on the device."""
        images, labels = (tensor.to(self.device) for tensor in random_images(self.job))
        border = self.job.data.image_size // 8
        padded = F.pad(images.permute(0, 3, 1, 2).float(), [border] * 4, mode="reflect").byte().permute(0, 2, 3, 1)
        return Batches(padded.contiguous(), labels, self.job.data.image_size, self.job.recipe.batch_size)

    def logits(self, images: Tensor) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.job.recipe.precision == "bfloat16"):
            found: Tensor = self.network(images)
        return found.float()


class Batches:
    """Random crops and flips of whole batches, in a new order each time.

    Args:
        padded: uint8 (N, H, W, C), with a border.
        labels: int64 (N,).
        side: Of a crop, in pixels.
        size: Images of a batch; a smaller last one is dropped.
    """

    def __init__(self, padded: Tensor, labels: Tensor, side: int, size: int) -> None:
        self.padded, self.labels, self.side, self.size = padded, labels, side, size

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        n, device = len(self.labels), self.labels.device
        along = torch.arange(self.side, device=device)
        for index in torch.split(torch.randperm(n, device=device), self.size)[: n // self.size]:
            rows, columns = torch.randint(self.padded.shape[1] - self.side + 1, (2, self.size, 1), device=device) + along
            columns = torch.where(torch.rand(self.size, 1, device=device) < 0.5, columns.flip(1), columns)
            found = self.padded[index[:, None, None], rows[:, :, None], columns[:, None, :]]
            yield ((found.float() - 127.5) / 63.75).permute(0, 3, 1, 2), self.labels[index]


_ready: dict[tuple[type[Trainer], TrainJob], Trainer] = {}

Report = Callable[[dict[str, Any]], None]


def train(job: TrainJob, stop: Callable[[], bool], report: Report, kind: type[Trainer] = Trainer) -> str:
    """A round of a job in the plain loop, with all that was made for the round before."""
    if (kind, job) not in _ready:
        _ready[kind, job] = kind(job)
    images = _ready[kind, job].train()
    wait_for(job.device)
    report({"images": images, "peak_memory_bytes": peak_memory(job.device)})
    return "completed"


def train_carefully(job: TrainJob, stop: Callable[[], bool], report: Report) -> str:
    """A round of a job in the careful loop."""
    return train(job, stop, report, CarefulTrainer)
