"""torch's optimizers without the parts that only torch.compile needs.

Each of these imports torch._dynamo and torch._inductor at its first call, whether or not anything is compiled: half
a second and 70 MB in every worker.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import torch

Optimizer = TypeVar("Optimizer", bound=torch.optim.Optimizer)
GUARDED = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")  # methods that torch.compile is kept out of


def uncompiled(kind: type[Optimizer]) -> type[Optimizer]:
    """An optimizer that computes the same, and whose step is not compiled.

    Args:
        kind: One of torch's optimizers.
    """
    found: type[Optimizer] = _subclass(kind)  # type: ignore[arg-type]  # mypy: a class is not hashable
    return found


@functools.cache
def _subclass(kind: Any) -> Any:
    methods: dict[str, Any] = {name: inspect.unwrap(getattr(kind, name)) for name in GUARDED}
    return type(kind.__name__, (kind,), {**methods, "step": _without_gradients(inspect.unwrap(kind.step))})


def _without_gradients(step: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(step)
    def run(self: Any, *args: Any, **options: Any) -> Any:
        with torch.set_grad_enabled(self.defaults.get("differentiable", False)):
            return step(self, *args, **options)

    return run
