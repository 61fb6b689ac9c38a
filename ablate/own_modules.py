"""Modules of a user's own code: found, loaded, digested, and their errors in one line.

A module is searched beside the study file, in the current directory, and on Python's path. Every error in it names the
user's file and line. The digest is always that of the loaded code: changed files are loaded again.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import importlib
import importlib.util
import inspect
import io
import json
import os
import sys
import threading
import tokenize
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import orjson

from ablate.errors import NotationError
from ablate.processes.signals import Preempted


class LoadedModule(NamedTuple):
    """A loaded module.

    Args:
        module: The module.
        digest: Of its files when they were loaded; "" for an installed module.
        path: Of its own file; None for an installed module.
    """

    module: ModuleType
    digest: str
    path: Path | None


_folders: tuple[str, ...] = ()  # searched first for user's modules
_loaded: dict[str, LoadedModule] = {}
_defaults: dict[tuple[str, str], dict[str, str]] = {}  # (reference, digest) -> the JSON of each plain default
_appended: list[str] = []  # folders that look_in() added to sys.path
_files: set[Path] = set()  # files of the user's modules that are loaded
_torch = importlib.util.find_spec("torch")
INSTALLED = {"site-packages", "dist-packages"}  # folders of installed packages
STANDARD = str(Path(os.__file__).parent)  # the folder of Python's own modules
LIBRARIES = (
    *(str(Path(file).parent) for file in (_torch and _torch.origin, importlib.__file__) if file),
    str(Path(__file__).parent),
    "<frozen",
)  # a frame in these is not the user's


def look_in(*folders: Path) -> None:
    """Set the folders that are searched for user's modules before Python's path.

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
    found, loaded = find_callable(reference), _loaded[reference.partition(":")[0]]
    if loaded.digest:
        return loaded.digest
    with own_errors(reference):
        return hashlib.sha256(_cleaned(_defining_file(found, loaded.module)).encode()).hexdigest()[:16]


def normalized_digest(reference: str) -> str:
    """The digest of the same source as code_digest()'s, which comments, docstrings and formatting do not change.

    A file that reads `__doc__` keeps its docstrings. Python's version can change the digest.

    Args:
        reference: "module:callable".

    Raises:
        NotationError: The module or the callable is missing, or raises an error.
    """
    found, name = find_callable(reference), reference.partition(":")[0]
    with own_errors(reference):
        sources = _sources(name) or {"": _defining_file(found, _loaded[name].module)}
        text = "".join(f"{module}\n{_normalized(path)}\n" for module, path in sources.items())
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def default_arguments(reference: str, code: str) -> dict[str, Any]:
    """The defaults of a callable's parameters, by name, as far as a study file could write them.

    Args:
        reference: "module:callable".
        code: The digest of its source. If the present source has another digest, no default is known.

    Raises:
        NotationError: The module or the callable is missing, or raises an error.
    """
    key = reference, code
    if key not in _defaults and code_digest(reference) == code:
        try:
            parameters = inspect.signature(find_callable(reference)).parameters.values()
        except ValueError:  # some callables that are written in C have no signature
            parameters = dict[str, inspect.Parameter]().values()
        known = ((one.name, _plain(one.default)) for one in parameters if one.default is not one.empty)
        _defaults[key] = {name: text for name, text in known if text is not None}
    return {name: json.loads(text) for name, text in _defaults.get(key, {}).items()}


def _plain(value: Any) -> str | None:
    """A value as JSON; None for a value that a study file cannot write, such as a whole number of more than 64 bits."""
    try:
        text = json.dumps(value, allow_nan=False)
        orjson.dumps(json.loads(text))
        return text
    except (TypeError, ValueError, RecursionError):
        return None


def takes_argument(reference: str, name: str) -> bool:
    """Whether a callable has a parameter of a name, or takes arguments of any name.

    Args:
        reference: "module:callable".
        name: The name of the parameter.

    Raises:
        NotationError: The module or the callable is missing, or raises an error.
    """
    try:
        parameters = inspect.signature(find_callable(reference)).parameters
    except ValueError:
        return True
    return name in parameters or any(one.kind is one.VAR_KEYWORD for one in parameters.values())


def find_callable(reference: str) -> Callable[..., Any]:
    """The callable of a reference, from the present files.

    Args:
        reference: "package.module:callable".

    Raises:
        NotationError: The module or the callable is missing, or raises an error.
    """
    name, _, attribute = reference.partition(":")
    with own_errors(reference), redirect_stdout(sys.stderr), same_folder():
        sources = _sources(name)
        text = "".join(f"{module}\n{_cleaned(path)}\n" for module, path in sources.items())
        digest = hashlib.sha256(text.encode()).hexdigest()[:16] if sources else ""
        path, loaded = sources.get(name), _loaded.get(name)
        if loaded is None or (loaded.digest, loaded.path) != (digest, path):
            loaded = LoadedModule(_load(name, sources) if sources else importlib.import_module(name), digest, path)
            _loaded[name] = loaded
            _files.update(sources.values())
        found: Any = loaded.module
        for part in attribute.split("."):
            try:
                found = getattr(found, part)
            except AttributeError as error:
                near = difflib.get_close_matches(part, dir(found), n=1)
                raise AttributeError(f"{error}; did you mean '{near[0]}'?" if near else str(error)) from None
    if not callable(found):
        raise NotationError(f"{reference} is {type(found).__name__}; allowed: a callable")
    return found  # type: ignore[no-any-return]


def source_files(reference: str) -> dict[str, Path]:
    """The files of a callable's module and of all that it imports, by their path below a folder that is searched.

    Args:
        reference: "package.module:callable"; of an installed package there are none.

    Raises:
        NotationError: A file cannot be read.
    """
    with own_errors(reference):
        found = _sources(reference.partition(":")[0])
    bases = {module: "/".join(module.split(".")) for module in found}
    return {
        f"{bases[module]}/__init__.py" if path.name == "__init__.py" else f"{bases[module]}.py": path
        for module, path in found.items()
    }


def _load(name: str, sources: dict[str, Path]) -> ModuleType:
    """The module, loaded again. Installed modules of the names in `sources` remain what all other code imports."""
    before, hidden = list(sys.path), {module: sys.modules.pop(module) for module in sources if module in sys.modules}
    sys.path[:0] = _folders  # first here, so that user's modules take precedence over installed ones
    try:
        importlib.invalidate_caches()
        return importlib.import_module(name)
    finally:
        sys.path[:] = before
        sys.modules.update({name: module for name, module in hidden.items() if Path(module.__file__ or "") not in _files})


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
    if path.suffix != ".py" or INSTALLED & set(path.parts):
        return ()
    folder = str(path.parents[1] if path.name == "__init__.py" else path.parent)
    return () if folder in _appended else (folder,)


def _syntax_tree(source: bytes, path: Path) -> ast.Module:
    """The syntax tree of a source. A null byte in it is a SyntaxError, as Python says from 3.11.4 on."""
    try:
        return ast.parse(source, str(path))
    except ValueError as error:
        raise SyntaxError(str(error)) from None


def _imports(module: str, path: Path) -> Iterator[str]:
    """The names of modules that a file may import, and the packages that contain the module."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    yield package or module
    for node in ast.walk(_syntax_tree(path.read_bytes(), path)):
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


def _defining_file(found: Any, module: ModuleType) -> Path:
    """The file that defines a callable of an installed module.

    Raises:
        NotationError: The callable is written in C.
    """
    if inspect.isbuiltin(found) or (inspect.isclass(found) and found.__module__ == "builtins"):
        raise NotationError(f"{module.__name__}:{found.__name__} is not written in Python; allowed: a callable that is")
    defined = inspect.isroutine(found) or inspect.isclass(found)
    return Path((inspect.getsourcefile(found) if defined else module.__file__) or "")


def _normalized(path: Path) -> str:
    """The syntax tree of a source as text, without positions and docstrings."""
    source = path.read_bytes()
    tree = _syntax_tree(source, path)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree) if b"__doc__" not in source else ():
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return ast.dump(tree)


_calling = threading.local()  # its `process` is that in which the user's code is being called by this thread
_end_process = os._exit


def _exit(code: int) -> None:
    """os._exit(), which the user's code cannot call: it would end a command with success and without a word.

    A process that the user's code has forked, and other threads, may.
    """
    if getattr(_calling, "process", None) == os.getpid():
        raise SystemExit(f"os._exit({code})")
    _end_process(code)


@contextmanager
def own_errors(reference: str) -> Iterator[None]:
    """Raise every error of the user's code as a NotationError of one line, with the user's file and line.

    Code that would end this process raises one too.

    Args:
        reference: "package.module:callable".
    """
    os._exit = _exit  # type: ignore[assignment]
    outer, _calling.process = getattr(_calling, "process", None), os.getpid()
    try:
        yield
    except NotationError:
        raise
    except SyntaxError as error:
        place = f"{error.filename}:{error.lineno}: " if error.filename else ""
        raise NotationError(f"{reference}: {place}SyntaxError: {error.msg}") from None
    except (KeyboardInterrupt, Preempted):
        raise
    except BaseException as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(LIBRARIES)]
        frames = [frame for frame in frames if not _is_installed(frame.filename)] or frames
        place = f"{frames[-1].filename}:{frames[-1].lineno}: " if frames else _defined(reference)
        text = " ".join(_said(error).split())[:300]
        raise NotationError(f"{reference}: {place}{type(error).__name__}: {text}") from None
    finally:
        _calling.process = outer


def _is_installed(file: str) -> bool:
    """Whether a file is of an installed package or of Python itself."""
    return bool(INSTALLED & set(Path(file).parts)) or file.startswith(STANDARD)


@contextmanager
def same_folder() -> Iterator[None]:
    """A context manager that goes back to the current directory: paths of a study and of its runs are relative to it."""
    folder = os.getcwd()
    try:
        yield
    finally:
        os.chdir(folder)


def _said(error: BaseException) -> str:
    """The text of an error, which may be of a class of the user's own; "" if that raises an error itself."""
    try:
        return str(error)
    except Exception:
        return ""


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
