"""A CUDA graph on the CPU: records what a step does to which tensors, and does exactly that again.

As on a GPU, nothing of Python runs in a replay: a number that the step took from Python stays what it was, and each
operation reads and writes the tensors that it had when it was recorded. Capturing itself leaves no trace, as there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only


class Recorded(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, Any]] = []
        self.before: dict[int, tuple[Tensor, Tensor]] = {}  # every storage that was there before, as it was

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func.overloadpacket in (torch.ops.aten.item, torch.ops.aten._local_scalar_dense):
            raise RuntimeError("a step that is captured reads from the device")
        for tensor in tree_leaves((args, kwargs)):
            if isinstance(tensor, Tensor):
                flat = torch.empty(0, dtype=tensor.dtype).set_(tensor.untyped_storage())
                self.before.setdefault(tensor.untyped_storage().data_ptr(), (flat, flat.clone()))
        result = func(*args, **kwargs)
        detached = tree_map_only(Tensor, lambda tensor: tensor.detach(), (args, kwargs, result))
        self.calls.append((func, *detached))
        return result


def capture(step: Callable[[], None], generators: Sequence[torch.Generator]) -> Callable[[], None]:
    """As side_by_side.CudaGraphs."""
    states = [generator.get_state() for generator in generators]
    mode = Recorded()
    with mode:
        step()
    for flat, before in mode.before.values():
        flat.copy_(before)
    for generator, state in zip(generators, states):
        generator.set_state(state)
    return lambda: replay(mode.calls)


@torch.no_grad()
def replay(calls: list[tuple[Any, Any, Any, Any]]) -> None:
    for func, args, kwargs, recorded in calls:
        made = func(*args, **kwargs)
        for old, new in zip(tree_leaves(recorded), tree_leaves(made)):
            if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
                old.copy_(new)
