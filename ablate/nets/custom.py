"""The reader's own modules: "module:callable" -> torch module, its counts taken on the meta device.

The module is looked for beside the study file, in the current directory, and where Python looks. Every error in it
names the reader's file and line.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ablate.errors import NotationError
from ablate.nets.architecture import Architecture
from ablate.nets.blueprint import Custom, Shape
from ablate.nets.counts import Counts

LIBRARIES = (*(str(Path(module.__file__ or "").parent) for module in (torch, importlib)), __file__, "<frozen")


class Own(nn.Sequential):
    """Holds a reader's module, which initializes itself."""


def look_in(directory: Path) -> None:
    """Has modules looked for in a directory first."""
    path = str(directory.resolve())
    if path not in sys.path:
        sys.path.insert(0, path)


def code_digest(reference: str) -> str:
    """16 hexadecimal digits of the file that defines a callable, comments and layout aside. Raises NotationError."""
    found = _find(reference)
    with _readers_errors(reference):
        source = inspect.getsource(sys.modules[found.__module__])
        return hashlib.sha256(ast.unparse(ast.parse(source)).encode()).hexdigest()[:16]


def check_code(architecture: Architecture) -> None:
    """Refuses a reader's source that is not the one the architecture was made with. Raises NotationError."""
    reference = architecture.python or str(architecture.block)
    if architecture.code and code_digest(reference) != architecture.code:
        raise NotationError(f"{reference} has changed since the run began; run again to train what it is now")


def make_module(layer: Custom) -> nn.Module:
    """The reader's module. Raises NotationError."""
    function = _find(layer.python)
    with _readers_errors(layer.python):
        names = inspect.signature(function).parameters
        offered = {key: value for key, value in layer.offered if key in names}
        module = function(**{**offered, **dict(layer.args)})
    if not isinstance(module, nn.Module):
        raise NotationError(f"{layer.python} returned {type(module).__name__}; allowed: a torch.nn.Module")
    return Own(module)


@lru_cache(maxsize=1024)
def count_custom(layer: Custom, shape: Shape) -> tuple[Counts, Shape]:
    """Counts and output shape of a reader's module for one image of a shape, on the meta device. Raises NotationError."""
    with torch.device("meta"):
        module = make_module(layer)
    weights = {tensor.untyped_storage()._cdata for tensor in (*module.parameters(), *module.buffers())}
    outputs: list[int] = []
    held: dict[int, Tensor] = {}

    def note(part: nn.Module, inputs: Any, output: Any) -> None:
        outputs.append(output.numel())

    def hold(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()._cdata
        if storage not in weights:
            held[storage] = tensor
        return tensor

    for part in module.modules():
        if isinstance(part, (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)):
            part.register_forward_hook(note)
    batch = torch.empty((2, *shape), device="meta")  # two images: batch norm refuses one
    holding = torch.autograd.graph.saved_tensors_hooks(hold, lambda tensor: tensor)
    with _readers_errors(layer.python), FlopCounterMode(display=False) as flops, holding:
        output = module.train()(batch)
    if not isinstance(output, Tensor) or output.ndim not in (2, 4) or len(output) != 2:
        found = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise NotationError(f"{layer.python} made {found} of {tuple(batch.shape)}; allowed: (2, classes)")
    parameters = sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
    kept = sum(tensor.numel() for tensor in held.values()) // 2
    counts = Counts(parameters, flops.get_total_flops() // 4, sum(outputs) // 2, len(outputs), kept, kept)
    channels, height, width = (*output.shape[1:], 1, 1)[:3]
    return counts, (channels, height, width)


def _find(reference: str) -> Callable[..., Any]:
    """The callable of "package.module:name". Raises NotationError."""
    name, _, attribute = reference.partition(":")
    with _readers_errors(reference):
        found: Any = importlib.import_module(name)
        for part in attribute.split("."):
            found = getattr(found, part)
    if not callable(found):
        raise NotationError(f"{reference} is {type(found).__name__}; allowed: a callable that returns a torch.nn.Module")
    return found  # type: ignore[no-any-return]


@contextmanager
def _readers_errors(reference: str) -> Iterator[None]:
    """Whatever the reader's code raises, as one line with its file and line."""
    try:
        yield
    except NotationError:
        raise
    except SyntaxError as error:
        raise NotationError(f"{reference}: {error.filename}:{error.lineno}: SyntaxError: {error.msg}") from None
    except Exception as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(LIBRARIES)]
        place = f"{frames[-1].filename}:{frames[-1].lineno}: " if frames else _defined(reference)
        text = " ".join(str(error).split())[:300]
        raise NotationError(f"{reference}: {place}{type(error).__name__}: {text}") from None


def _defined(reference: str) -> str:
    """Where a callable is defined, as far as that is known: "file:line: "."""
    module, _, attribute = reference.partition(":")
    found: Any = sys.modules.get(module)
    try:
        for part in attribute.split("."):
            found = getattr(found, part)
        return f"{inspect.getsourcefile(found)}:{inspect.getsourcelines(found)[1]}: "
    except (AttributeError, TypeError, OSError):
        return ""
