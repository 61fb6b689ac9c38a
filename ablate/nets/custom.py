"""User-defined modules: "module:callable" -> torch module, with its counts measured on the meta device.

A module is searched beside the study file, in the current directory, and on Python's path. Every error in it names the
user's file and line. The digest is always that of the loaded code: changed files are loaded again.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import inspect
import io
import json
import sys
import tokenize
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils.flop_counter import FlopCounterMode

from ablate.errors import NotationError
from ablate.nets.architecture import Architecture
from ablate.nets.blueprint import Custom, Shape

LIBRARIES = (*(str(Path(module.__file__ or "").parent) for module in (torch, importlib)), __file__, "<frozen")


class LoadedModule(NamedTuple):
    """A loaded module.

    Args:
        module: The module.
        digest: Of its files when they were loaded; "" for an installed module.
    """

    module: ModuleType
    digest: str


_folders: tuple[str, ...] = ()  # searched first for user-defined modules
_loaded: dict[str, LoadedModule] = {}
_appended: list[str] = []  # folders that look_in() added to sys.path
_files: set[Path] = set()  # files of the user-defined modules that are loaded


class CustomModule(nn.Sequential):
    """A container for a user-defined module, which initializes itself; errors in it name the user's file and line.

    Args:
        reference: The callable, as "module:callable".
        module: What the callable returned.
    """

    def __init__(self, reference: str, module: nn.Module) -> None:
        super().__init__(module)
        self.reference = reference

    def forward(self, x: Tensor) -> Tensor:
        """The output of the user-defined module.

        Args:
            x: Features (N, C, H, W).

        Raises:
            NotationError: The module raises an error.
        """
        with _custom_errors(self.reference):
            features: Tensor = self[0](x)
            return features


def look_in(*folders: Path) -> None:
    """Set the folders that are searched for user-defined modules before Python's path.

    They are also appended to sys.path, for imports that happen when the modules are called. There they come last, so no
    file in them hides an installed package.

    Args:
        folders: In order; they replace those of the previous call.
    """
    global _folders
    sys.path[:] = [folder for folder in sys.path if folder not in _appended]
    _folders = tuple(dict.fromkeys(str(folder.resolve()) for folder in folders))
    _appended[:] = [folder for folder in _folders if folder not in sys.path]
    sys.path += _appended


def code_digest(reference: str) -> str:
    """The digest of the source of a callable, 16 hexadecimal digits; comments and blank lines do not change it.

    The source is the callable's module and all that it imports, without installed packages. Of a callable in an installed
    package it is the file that defines the callable.

    Args:
        reference: "module:callable".

    Raises:
        NotationError: The module or the callable is missing, or raises an error.
    """
    found, loaded = _find(reference), _loaded[reference.partition(":")[0]]
    if loaded.digest:
        return loaded.digest
    with _custom_errors(reference):
        defined = inspect.isroutine(found) or inspect.isclass(found)
        file = inspect.getsourcefile(found) if defined else loaded.module.__file__
        return hashlib.sha256(_cleaned(Path(file or "")).encode()).hexdigest()[:16]


def check_code(architecture: Architecture) -> None:
    """Check that the source of a user-defined network or block is the one that an architecture was made with.

    Args:
        architecture: One with a user-defined network or block.

    Raises:
        NotationError: The source has changed, or cannot be loaded.
    """
    reference = architecture.python or str(architecture.block)
    if code_digest(reference) != architecture.code:
        raise NotationError(f"{reference} has changed since the run began; run again to train what it is now")


def make_module(layer: Custom) -> nn.Module:
    """The module that a user-defined callable returns, initialized by itself.

    Args:
        layer: The callable and its arguments.

    Raises:
        NotationError: The callable is missing, raises an error, or returns something that is not a torch module with
            parameters of known shapes.
    """
    function = _find(layer.python)
    with _custom_errors(layer.python):
        names = inspect.signature(function).parameters
        offered = {key: value for key, value in layer.offered if key in names}
        with redirect_stdout(sys.stderr):
            module = function(**{**offered, **json.loads(layer.args)})
    if not isinstance(module, nn.Module):
        raise NotationError(f"{layer.python} returned {type(module).__name__}; allowed: a torch.nn.Module")
    if any(is_lazy(tensor) for tensor in (*module.parameters(), *module.buffers())):
        raise NotationError(f"{layer.python} has lazy parameters; allowed: layers whose sizes are given")
    return CustomModule(layer.python, module)


@lru_cache(maxsize=1024)
def count_custom(layer: Custom, shape: Shape) -> tuple[tuple[int, ...], Shape]:
    """(counts of a user-defined module for one image, output shape), measured on the meta device.

    Args:
        layer: The callable and its arguments.
        shape: (channels, height, width) of its input.

    Returns:
        The first six fields of counts.Counts in their order, and the output shape (channels, height, width).

    Raises:
        NotationError: The module cannot be made, raises an error, or returns something else than features or logits.
    """
    with torch.device("meta"):
        module = make_module(layer)
    outputs: list[int] = []
    held: dict[int, Tensor] = {}

    def note(part: nn.Module, inputs: Any, output: Any) -> None:
        outputs.append(output.numel())

    def hold(tensor: Tensor) -> Tensor:
        held[tensor.untyped_storage()._cdata] = tensor
        return tensor

    batch = torch.empty((2, *shape), device="meta")  # two images, because batch norm does not accept one
    holding = torch.autograd.graph.saved_tensors_hooks(hold, lambda tensor: tensor)
    with _custom_errors(layer.python), redirect_stdout(sys.stderr):
        for part in module.modules():
            if isinstance(part, (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)):
                part.register_forward_hook(note)
        with FlopCounterMode(display=False) as flops, holding:
            output = module.train()(batch)
        weights = {tensor.untyped_storage()._cdata for tensor in (*module.parameters(), *module.buffers())}
        parameters = sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
    dimensions = 4 if layer.stride else 2  # features of a block, or logits of a network
    if not isinstance(output, Tensor) or output.ndim != dimensions or len(output) != len(batch):
        found = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        wanted = "(2, channels, height, width)" if layer.stride else "(2, classes)"
        raise NotationError(f"{layer.python} makes {found} of {tuple(batch.shape)}; allowed: {wanted}")
    kept = sum(tensor.numel() for storage, tensor in held.items() if storage not in weights) // 2
    counts = (parameters, flops.get_total_flops() // 4, sum(outputs) // 2, len(outputs), kept, kept)
    channels, height, width = (*output.shape[1:], 1, 1)[:3]
    return counts, (channels, height, width)


def _find(reference: str) -> Callable[..., Any]:
    """The callable of "package.module:name", from the present files. Raises NotationError."""
    name, _, attribute = reference.partition(":")
    with _custom_errors(reference), redirect_stdout(sys.stderr):
        sources = _sources(name)
        text = "".join(f"{module}\n{_cleaned(path)}\n" for module, path in sources.items())
        digest = hashlib.sha256(text.encode()).hexdigest()[:16] if sources else ""
        if name not in _loaded or _loaded[name].digest != digest:
            _loaded[name] = LoadedModule(_load(name, sources) if sources else importlib.import_module(name), digest)
            _files.update(sources.values())
        found: Any = _loaded[name].module
        for part in attribute.split("."):
            found = getattr(found, part)
    if not callable(found):
        raise NotationError(f"{reference} is {type(found).__name__}; allowed: a callable that returns a torch.nn.Module")
    return found  # type: ignore[no-any-return]


def _load(name: str, sources: dict[str, Path]) -> ModuleType:
    """The module, loaded again. Installed modules of the names in `sources` remain what all other code imports."""
    before, hidden = list(sys.path), {module: sys.modules.pop(module) for module in sources if module in sys.modules}
    sys.path[:0] = _folders  # first here, so that user-defined modules take precedence over installed ones
    try:
        importlib.invalidate_caches()
        return importlib.import_module(name)
    finally:
        sys.path[:] = before
        sys.modules.update({name: module for name, module in hidden.items() if _file(module) not in _files})


def _sources(name: str) -> dict[str, Path]:
    """The files of a module and of all that it imports, without installed packages; empty for an installed module."""
    found: dict[str, Path] = {}
    waiting = [name]
    while waiting:
        module = waiting.pop()
        if module not in found and (path := _local_file(module)):
            found[module] = path
            waiting += _imports(module, path)
    return dict(sorted(found.items()))


def _local_file(module: str) -> Path | None:
    """The file of a module in the user's folders, or elsewhere on Python's path if it is not installed there."""
    top, *rest = module.split(".")
    for folder in () if top == "ablate" else (*_folders, *_uninstalled(top)):
        base = Path(folder, top, *rest)
        for path in (base / "__init__.py", base.with_name(f"{base.name}.py")):
            if path.is_file():
                return path
    return None


def _uninstalled(top: str) -> tuple[str, ...]:
    """The folder of a top-level module in a project folder (an editable install, PYTHONPATH); empty for other modules."""
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return ()
    if spec is None or spec.origin is None or top in sys.stdlib_module_names:
        return ()
    path = Path(spec.origin)
    if path.suffix != ".py" or {"site-packages", "dist-packages"} & set(path.parts):
        return ()
    folder = str(path.parents[1] if path.name == "__init__.py" else path.parent)
    return () if folder in _appended else (folder,)


def _imports(module: str, path: Path) -> Iterator[str]:
    """The names of modules that a file may import, and the packages that contain the module."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    yield package or module
    for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = "." * node.level + (node.module or "")
            start = importlib.util.resolve_name(start, package) if node.level else start
            yield from (start, *(f"{start}.{alias.name}" for alias in node.names))


def _cleaned(path: Path) -> str:
    """A source without comments, blank lines and trailing spaces."""
    with tokenize.open(path) as file:
        source = file.read()
    lines = source.split("\n")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _file(module: ModuleType) -> Path:
    return Path(module.__file__ or "")


@contextmanager
def _custom_errors(reference: str) -> Iterator[None]:
    """Raise every error of user-defined code as a NotationError of one line, with the user's file and line."""
    try:
        yield
    except NotationError:
        raise
    except SyntaxError as error:
        raise NotationError(f"{reference}: {error.filename}:{error.lineno}: SyntaxError: {error.msg}") from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(LIBRARIES)]
        place = f"{frames[-1].filename}:{frames[-1].lineno}: " if frames else _defined(reference)
        text = " ".join(str(error).split())[:300]
        raise NotationError(f"{reference}: {place}{type(error).__name__}: {text}") from None


def _defined(reference: str) -> str:
    """The place where a callable is defined as "file:line: "; "" if it is unknown."""
    module, _, attribute = reference.partition(":")
    found: Any = _loaded[module].module if module in _loaded else None
    try:
        for part in attribute.split("."):
            found = getattr(found, part)
        return f"{inspect.getsourcefile(found)}:{inspect.getsourcelines(found)[1]}: "
    except (AttributeError, TypeError, OSError):
        return ""
