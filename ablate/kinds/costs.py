"""The table of measured costs: what a probe of a network on a device says, by the name that a study uses.

Such a cost is a fact of one device and one precision. It is part of no trial's id, and costs of two devices never stand
beside each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class MeasuredCost(NamedTuple):
    """A cost of a network that is measured on a device.

    Args:
        name: In `where`, `budget`, `table.columns` and `search.also_minimize`.
        title: The header of its column.
        words: What it is, in words, with its unit.
        unit: Of the numbers that a study writes.
        read: A probe -> the value; None where it was not measured.
        write: The value as text.
    """

    name: str
    title: str
    words: str
    unit: str
    read: Callable[[Any], float | None]
    write: Callable[[float], str]


def _milliseconds(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


MEASURED_COSTS = {
    cost.name: cost
    for cost in (
        MeasuredCost("step_time", "Step, ms", "milliseconds of a training step", "ms",
                     lambda probe: float(probe.train_step_ms.median), _milliseconds),
        MeasuredCost("inference_time", "Inference, ms", "milliseconds to predict one image", "ms",
                     lambda probe: probe.inference_ms and float(probe.inference_ms.median), _milliseconds),
        MeasuredCost("inference_time_128", "Inference of 128, ms", "milliseconds to predict 128 images at once", "ms",
                     lambda probe: probe.inference_128_ms and float(probe.inference_128_ms.median), _milliseconds),
        MeasuredCost("peak_memory", "Peak memory, MiB", "bytes of GPU memory that training takes at most", "bytes",
                     lambda probe: probe.peak_memory_bytes and float(probe.peak_memory_bytes),
                     lambda value: f"{value / 2**20:,.0f}"),
        MeasuredCost("energy", "Energy of a step, J", "joules that the GPU uses in a training step", "J",
                     lambda probe: probe.energy_joules, lambda value: f"{value:.3g}"),
    )
}  # fmt: skip
