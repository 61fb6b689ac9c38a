"""What a trial is trained with: its device, its network and its images on that device."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, Union

import torch
from torch import nn

from ablate.data.listing import ImageFiles, Listing
from ablate.data.location import Location
from ablate.data.preprocessing import PREPROCESSING
from ablate.data.sources import Labelled
from ablate.data.streaming import Streamed, take_files
from ablate.data.tensors import LabelledTensors, Normalization, to_tensors
from ablate.errors import RunError, printable
from ablate.nets.blueprint import Blueprint
from ablate.nets.build import build, checkpoint_blocks, compile_blocks
from ablate.nets.detector import DetectionNetwork
from ablate.nets.notation import format_architecture
from ablate.nets.weights import load_body
from ablate.records.timings import Workload
from ablate.study.data import Data
from ablate.study.recipe import Recipe
from ablate.study.study import Trial
from ablate.train.allocator import keep_freed_memory, release_freed_memory
from ablate.train.arithmetic import products_kept, set_products
from ablate.train.images import ImageLoader
from ablate.train.process_group import synchronize_batch_norm
from ablate.train.randomness import generator


class TrialImages(NamedTuple):
    """The images of a trial on its device.

    Args:
        train: Training images.
        test: Test images, or held-out images in their place.
        normalization: Fitted to the training images.
        digest: Of the image files.
        final: Test images that are evaluated once, if others are in their place; None: there are none.
    """

    train: Union[LabelledTensors, Streamed]
    test: Union[LabelledTensors, Streamed]
    normalization: Normalization
    digest: str
    final: Union[LabelledTensors, Streamed, None] = None


class ImageCache:
    """Keeps the images of the last trial on the device, because the next trial usually needs the same or another fold."""

    def __init__(self) -> None:
        self._loader = ImageLoader(lambda line: print(printable(line)))
        self._key: Any = None
        self._images: TrialImages | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """The facts of an ImageLoader about these images."""
        return self._loader.facts

    @property
    def positions(self) -> dict[str, Any]:
        """The positions of an ImageLoader of these images."""
        return self._loader.positions

    @property
    def nbytes(self) -> int:
        """The bytes of the images that are on the device."""
        parts = (self._images.train, self._images.test, self._images.final) if self._images else ()
        return sum(tensor.nbytes for part in parts if isinstance(part, LabelledTensors) for tensor in part)

    def load(self, data: Data, location: Location, device: torch.device) -> TrialImages:
        """The images of a trial; the images of another trial are released first.

        Raises:
            DataError: The images are missing, damaged or not what the data set declares.
        """
        key = (data, location, device)
        if self._images is None or self._key != key:
            self._images = None
            self._images, self._key = self._load(data, location, device), key
        return self._images

    def _load(self, data: Data, location: Location, device: torch.device) -> TrialImages:
        images, digest = self._loader.load(data, location)
        final = self._loader.final
        if isinstance(images, ImageFiles):
            train, test = (take_files(part, data.image_size, device) for part in images)
            streamed = PREPROCESSING[data.preprocess].streamed
            assert streamed is not None, "refused when the images were checked"
            last = take_files(final, data.image_size, device) if isinstance(final, Listing) else None
            return TrialImages(train, test, streamed(device), digest, last)
        resident = to_tensors(images.train_images, images.train_labels, device)
        tested = to_tensors(images.test_images, images.test_labels, device)
        tensors = to_tensors(*final, device) if isinstance(final, Labelled) else None
        return TrialImages(resident, tested, PREPROCESSING[data.preprocess].fit(resident.images), digest, tensors)


@dataclass
class ProcessCache:
    """What a process keeps from one trial to the next.

    Args:
        images: Of the last trial.
        measured_memory: The bytes that a training takes from the GPU, by its workload.
    """

    images: ImageCache = field(default_factory=ImageCache)
    measured_memory: dict[Workload, int] = field(default_factory=dict)


def configure(device: str, deterministic: bool = True) -> torch.device:
    """Set this process to IEEE float32 (no TF32) and to deterministic algorithms, and return the device.

    A pass of a recipe with precision: tf32 sets its own; see arithmetic.py.

    On a CPU the process keeps the memory that a step has freed for the next step. cuDNN chooses its algorithms by fixed
    rules, the same for the same shapes on the same device, and does not time them.

    Args:
        device: As torch names it: "cpu", "cuda" or "cuda:1".
        deterministic: False lets cuDNN time all algorithms and take the fastest, for benchmarks.
    """
    if torch.device(device).type == "cpu":
        keep_freed_memory()
        release_freed_memory()  # of an earlier trial
    return _configure_torch(device, deterministic)


def _configure_torch(device: str, deterministic: bool = True) -> torch.device:
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    set_products(tf32=False)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = deterministic, not deterministic
    # As torch.use_deterministic_algorithms(), but without the import of torch._inductor; see compile_blocks().
    torch.set_deterministic_debug_mode("error" if deterministic else "default")
    # Filling new tensors would make reads of unset memory visible; it costs a write for each and changes no correct result.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return torch.device(device)


@contextmanager
def configured(device: str) -> Iterator[torch.device]:
    """A context manager that sets torch and gives the device as configure() does, and puts torch back as it was.

    Args:
        device: As torch names it.
    """
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    mode, filled = torch.get_deterministic_debug_mode(), torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    try:
        with products_kept():
            yield _configure_torch(device)
    finally:
        cudnn.deterministic, cudnn.benchmark = before
        torch.set_deterministic_debug_mode(mode)
        torch.utils.deterministic.fill_uninitialized_memory = filled  # type: ignore[attr-defined]


def network_of(trial: Trial, device: torch.device, cache: Path, recipe: Recipe | None = None) -> nn.Module:
    """The network of a trial before its first step, on a device.

    Args:
        trial: The trial.
        device: Where the network is trained.
        cache: Directory of the compiled code.
        recipe: In place of the trial's; None: the trial's.

    Raises:
        RunError: The recipe compiles the network and there is no compiler.
        DataError: The weights that its task names cannot be read, or are of another network.
    """
    network = make_network(trial.blueprint, recipe or trial.recipe, trial.seed, device, cache)
    task = trial.data.task
    if isinstance(network, DetectionNetwork):
        if file := task.weights_of(format_architecture(trial.architecture)):
            load_body(file, trial.architecture, trial.data.input_shape, network)
        network.freeze(task.settings["frozen"], task.settings["batch_norm"] == "frozen")
    return network


def make_network(blueprint: Blueprint, recipe: Recipe, seed: int, device: torch.device, cache: Path) -> nn.Module:
    """Make a network on a device, in channels_last memory format, with the weights that a seed initializes.

    Args:
        blueprint: Of the network.
        recipe: Says whether to compile, to checkpoint activations and to synchronize batch norm.
        seed: Of the initialization.
        device: Where the network is trained.
        cache: Directory of the compiled code, for all processes and later runs.

    Raises:
        RunError: The recipe compiles the network and there is no compiler.
    """
    network: nn.Module = build(blueprint, generator(seed, "initialization"), **dict(recipe.init))
    if recipe.checkpoint_activations == "blocks":
        checkpoint_blocks(network)
    if recipe.sync_batch_norm:
        network = synchronize_batch_norm(network, device)
    network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if recipe.compile == "always":
        if missing := _missing_to_compile(device):
            raise RunError(f"recipe.compile: {missing}; install it, or use compile: never")
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache / "compiled"))
        compile_blocks(network)
    return network


def _missing_to_compile(device: torch.device) -> str:
    """What torch.compile needs on a device and this machine lacks; "" if it has all."""
    if device.type == "cpu":
        found = any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++", "cl")))
        return "" if found else "on a CPU it needs a C++ compiler, such as g++"
    if find_spec("triton") is None:
        return "on a GPU it needs the package triton, which torch's Linux wheels bring"
    found = any(map(shutil.which, (os.environ.get("CC", "gcc"), "clang", "cc")))  # triton builds its launchers with it
    return "" if found else "on a GPU it needs a C compiler, such as gcc"
