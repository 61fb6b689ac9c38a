"""The least time that training an image takes on a device: by its arithmetic, and by its memory traffic.

Arithmetic: a forward pass and twice that backward, at the rate of a large matrix product or of a wide convolution, the
faster of the two; a library may reach half of a processor's rate in one of them. Memory: what a good compiler leaves of it,
with batch norm and ReLU fused, at the rate of a large copy. For each element that a convolution makes, in the forward pass:
written, read for the statistics, read and written normalized, read by the next convolution; backward: gradient read and
written by the input's gradient, gradient and input read by the weights', gradient and output read for batch norm's sums,
both read and one written when it is applied. An addition reads two and writes one, and reads and writes two gradients.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

from ablate.nets.blueprint import Blueprint, Repeat, Residual
from ablate.nets.counts import count_sections
from ablate.nets.families import blueprint, count_network
from tests.benchmarks.jobs import TrainJob

FORWARD, BACKWARD, ADDITION = 5, 9, 6  # times that an element passes through memory


class Rates(NamedTuple):
    """Measured: multiply-adds a second of a large product or convolution, bytes a second of a copy, read and written."""

    multiply_adds: float
    bytes: float


class Floors(NamedTuple):
    """Seconds an image."""

    compute: float
    memory: float

    def share(self, seconds: float) -> float:
        """What part of so many seconds an image the device could not have done without, 0 to 1."""
        return max(self) / seconds


def floors(job: TrainJob, rates: Rates) -> Floors:
    """The floors of a training step, an image, in the precision in which the rates were measured."""
    counts = count_network(job.architecture, job.data.classes, job.data.input_shape)
    network = blueprint(job.architecture, job.data.classes, job.data.input_shape)
    size = job.recipe.arithmetic.bytes
    passes = (FORWARD + BACKWARD) * counts.activations + ADDITION * added(network)
    return Floors(3 * counts.multiply_adds / rates.multiply_adds, size * passes / rates.bytes)


def added(network: Blueprint) -> int:
    """Elements that the residual blocks add, for one image."""
    total = 0
    for section, (_, _, shape) in zip(network.sections, count_sections(network)):
        for layer in section.layers:
            block, times = (layer.layer, layer.times) if isinstance(layer, Repeat) else (layer, 1)
            total += times * math.prod(shape) if isinstance(block, Residual) else 0
    return total


def processor_has_bfloat16(path: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this processor multiplies bfloat16 itself: Intel's with AMX faster than float32, without AMX half as fast."""
    try:
        words = path.read_text().split()
    except OSError:
        return False
    return "amx_bf16" in words or "avx512_bf16" in words
