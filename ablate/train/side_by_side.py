"""Passes side by side on one device: a step of each, then the next of each; on CUDA captured once and replayed.

A thin network's kernels are shorter than the time to launch them, and too small for the device. So the first few steps of a
size run as they are, real steps that warm up what has to be; then one step of every pass is captured as one CUDA graph,
each pass on a stream of its own, and the rest of the run replays it. The kernels and their order within a pass are those of
the pass alone, so neither the graph nor the neighbours change a bit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Optional

import torch

from ablate.train.loop import Pass, Scores

WARM_UP = 3  # steps: cuDNN, cuBLAS and the optimizer make what they need in the first ones

# capture(step, the generators that it draws from) -> what does the same as step(), which it does not do itself
Capture = Callable[[Callable[[], None], Sequence[torch.Generator]], Callable[[], None]]


class SideBySide:
    """Passes of equal sizes; run() may be called again and again. capture: None runs every step as it is.

    beat() is called after each step.
    """

    def __init__(
        self, passes: Iterable[Pass], capture: Optional[Capture] = None, beat: Callable[[], None] = lambda: None
    ) -> None:
        self.beat = beat
        self.passes = list(passes)
        self.sizes = self.passes[0].batches.sizes
        assert all(one.batches.sizes == self.sizes for one in self.passes), "passes of other sizes"
        self.capture = capture if all(one.capturable for one in self.passes) else None
        self.captured: dict[int, Callable[[], None]] = {}
        self.steps: Counter[int] = Counter()
        device = self.passes[0].device
        alone = len(self.passes) == 1 or device.type != "cuda"
        self.streams = [] if alone else [_stream(device) for _ in self.passes]

    def run(self, epochs: Sequence[int]) -> list[Scores]:
        """One whole pass of each, each in its own epoch."""
        for one, epoch in zip(self.passes, epochs):
            one.begin(epoch)
        for size in self.sizes:
            self._step(size)
            self.beat()
        return [one.scores() for one in self.passes]

    def _step(self, size: int) -> None:
        if self.capture and size not in self.captured and self.steps[size] == WARM_UP < self.sizes.count(size):
            generators = [generator for one in self.passes for generator in one.generators]
            self.captured[size] = self.capture(partial(self._each, size), generators)
        self.steps[size] = min(self.steps[size] + 1, WARM_UP)
        self.captured.get(size, partial(self._each, size))()

    def _each(self, size: int) -> None:
        """A step of each pass, on CUDA at the same time."""
        if not self.streams:
            for one in self.passes:
                one.step(size)
            return
        now = torch.cuda.current_stream()
        for one, stream in zip(self.passes, self.streams):
            stream.wait_stream(now)
            with torch.cuda.stream(stream):
                one.step(size)
        for stream in self.streams:
            now.wait_stream(stream)


class CudaGraphs:
    """Captures steps as CUDA graphs that never run at the same time, so that they share their memory.

    The stream that is current must not be the device's default one.
    """

    def __init__(self) -> None:
        self.pool: Any = None

    def __call__(self, step: Callable[[], None], generators: Sequence[torch.Generator]) -> Callable[[], None]:
        graph = torch.cuda.CUDAGraph()
        for generator in generators:
            graph.register_generator_state(generator)
        with torch.cuda.graph(graph, pool=self.pool, stream=torch.cuda.current_stream()):
            step()
        self.pool = graph.pool()
        return graph.replay


@contextmanager
def own_stream(device: torch.device) -> Iterator[None]:
    """On CUDA a stream that steps can be captured on is current within the block."""
    if device.type != "cuda":
        yield
        return
    stream = _stream(device)
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        yield
    torch.cuda.current_stream().wait_stream(stream)


def _stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
