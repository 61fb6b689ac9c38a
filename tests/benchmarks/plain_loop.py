"""A plain PyTorch training loop, as a careful user writes it today; the benchmark `train` measures ours against it.

Float32 and eager: torchvision's transforms on PIL images, a DataLoader with workers that stay, torch.optim.SGD.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from ablate.nets.build import build
from ablate.nets.families import blueprint
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
        transform = transforms.Compose(
            [
                transforms.RandomCrop(data.image_size, padding=data.image_size // 8, padding_mode="reflect"),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize([0.5] * data.channels, [0.25] * data.channels),
            ]
        )
        self.loader = DataLoader(
            Images(*random_images(job), transform),
            recipe.batch_size,
            shuffle=True,
            drop_last=True,
            num_workers=job.workers,
            persistent_workers=job.workers > 0,
            pin_memory=self.device.type == "cuda",
        )
        self.batch = next(iter(self.loader)) if job.steps_alone else None

    def train(self) -> int:
        """One pass over the images, or as many steps on one batch; returns how many images were trained on."""
        self.network.train()
        size = self.job.recipe.batch_size
        trained = 0
        for images, labels in [self.batch] * (self.job.images // size) if self.batch else self.loader:
            images, labels = images.to(self.device, non_blocking=True), labels.to(self.device, non_blocking=True)
            self.optimizer.zero_grad()
            F.cross_entropy(self.network(images), labels).backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            trained += len(labels)
        return trained


_ready: dict[TrainJob, Trainer] = {}


def train(job: TrainJob, stop: Callable[[], bool], report: Callable[[dict[str, Any]], None]) -> str:
    """A round of a job, with all that was made for the round before."""
    if job not in _ready:
        _ready[job] = Trainer(job)
    images = _ready[job].train()
    wait_for(job.device)
    report({"images": images, "peak_memory_bytes": peak_memory(job.device)})
    return "completed"
