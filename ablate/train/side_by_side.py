"""Runs passes side by side on one device: one step of each pass, then the next step of each; on CUDA as a CUDA graph.

The kernels of a thin network run shorter than their launches take, and they are too small for the device. So the first few
steps of a batch size run without a graph; these are real steps that also warm up the libraries. Then one step of every pass
is captured as one CUDA graph, with each pass on its own stream, and all later steps replay it. The kernels of a pass and
their order are the same as without the graph and the other passes, so every bit of the results is the same.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Optional

import torch

from ablate.train.arithmetic import set_as
from ablate.train.passes import Pass, Scores

WARM_UP = 3  # steps: cuDNN, cuBLAS and the optimizer allocate their buffers in the first steps

# capture(step, the generators that it draws from) -> a function that does the same as step(); capture() does no step itself
Capture = Callable[[Callable[[], None], Sequence[torch.Generator]], Callable[[], None]]


class SideBySide:
    """Passes that run side by side; run() may be called any number of times.

    Args:
        passes: With batches of equal sizes and of one precision, on one device, at least one.
        capture: Captures a step as a CUDA graph; None: no step is captured.
        beat: Called after each step.
    """

    def __init__(
        self, passes: Iterable[Pass], capture: Optional[Capture] = None, beat: Callable[[], None] = lambda: None
    ) -> None:
        self.beat = beat
        self.passes = list(passes)
        self.sizes = self.passes[0].batches.sizes
        for one in self.passes:
            one.batches.beside = len(self.passes)
        assert all(one.batches.sizes == self.sizes for one in self.passes), "passes of other sizes"
        self.capture = capture if all(one.capturable for one in self.passes) else None
        self.captured: dict[int, Callable[[], None]] = {}
        self.steps: Counter[int] = Counter()
        device = self.passes[0].device
        alone = len(self.passes) == 1 or device.type != "cuda"
        self.streams = [] if alone else _streams(device, len(self.passes))

    def run(self, epochs: Sequence[int]) -> list[Scores]:
        """Run one whole pass of each and return their scores.

        Args:
            epochs: The epoch of each pass, from 1.
        """
        with set_as(self.passes[0].recipe):
            for one, epoch in zip(self.passes, epochs):
                one.begin(epoch)
            for size in self.sizes:
                self._step(size)
                self.beat()
            return [one.scores() for one in self.passes]

    def _step(self, size: int) -> None:
        for one in self.passes:
            one.prepare(size)
        if self.capture and size not in self.captured and self.steps[size] == WARM_UP < self.sizes.count(size):
            generators = [generator for one in self.passes for generator in one.generators]
            self.captured[size] = self.capture(partial(self._each, size), generators)
        self.steps[size] = min(self.steps[size] + 1, WARM_UP)
        self.captured.get(size, partial(self._each, size))()

    def _each(self, size: int) -> None:
        """Do one step of each pass, on CUDA at the same time."""
        if not self.streams:
            for one in self.passes:
                one.step(size)
            return
        now = torch.cuda.current_stream()
        try:
            for one, stream in zip(self.passes, self.streams):
                stream.wait_stream(now)
                with torch.cuda.stream(stream):
                    one.step(size)
        finally:  # else the end of a capture fails too, whatever went wrong in it
            for stream in self.streams:
                now.wait_stream(stream)


class CudaGraphs:
    """Captures steps as CUDA graphs that share their memory, because they never run at the same time.

    The current stream must not be the default stream of the device.
    """

    def __init__(self) -> None:
        self.pool: Any = None

    def __call__(self, step: Callable[[], None], generators: Sequence[torch.Generator]) -> Callable[[], None]:
        graph = torch.cuda.CUDAGraph()
        _register(graph, generators)
        with torch.cuda.graph(graph, pool=self.pool, stream=torch.cuda.current_stream()):
            step()
        self.pool = graph.pool()
        return graph.replay


@contextmanager
def own_stream(device: torch.device) -> Iterator[None]:
    """On CUDA, make a stream current within the block on which steps can be captured.

    Args:
        device: Of the steps; on the CPU the block has no effect.
    """
    if device.type != "cuda":
        yield
        return
    stream = _stream(device)
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        yield
    torch.cuda.current_stream().wait_stream(stream)


_side: dict[torch.device, list[torch.cuda.Stream]] = {}


def _streams(device: torch.device, number: int) -> list[torch.cuda.Stream]:
    """The first side streams of a device, always the same ones: what one stream frees no other can use."""
    found = _side.setdefault(device, [])
    found += [_stream(device) for _ in range(number - len(found))]
    return found[:number]


def _register(graph: Any, generators: Sequence[torch.Generator]) -> None:
    """Tell a graph that is to be captured which generators it draws from; newer versions of torch see it themselves."""
    if register := getattr(graph, "register_generator_state", None):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r".*register_generator_state\(\) is deprecated")
            for generator in generators:
                register(generator)


def _stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
