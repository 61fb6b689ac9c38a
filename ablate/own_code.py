"""A user's own code: `{python: module:callable, args: {...}}` of a study file, checked and called.

Code is imported only for the keys of a study file, or arguments of a command, that name it. own_modules.py loads it.
"""

from __future__ import annotations

import inspect
import json
import math
import random
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablate.errors import NotationError, allowed, describe
from ablate.own_modules import code_digest, default_arguments, find_callable, look_in, own_errors, same_folder

REFERENCE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
LARGEST = 2.0**127  # of a number that own code or a program returns; larger ones overflow in means and on axes
KEYS = ("python", "args")  # of own code in a study file


@dataclass(frozen=True)
class OwnCode:
    """A callable of the user's and its arguments, as `{python: module:callable, args: {...}}` in a study file.

    Args:
        python: The callable, as "package.module:callable".
        arguments: Its arguments by name, as JSON with sorted keys.
        code: The digest of its source, from code_digest().
    """

    python: str
    arguments: str = "{}"
    code: str = ""

    def __str__(self) -> str:
        given = ", ".join(f"{key}={value!r}" for key, value in self.args.items())
        return f"{self.python}({given})" if given else self.python

    @property
    def args(self) -> dict[str, Any]:
        """The arguments by name, in plain values."""
        found: dict[str, Any] = json.loads(self.arguments)
        return found

    @property
    def all_arguments(self) -> dict[str, Any]:
        """The arguments by name, with the defaults of the signature."""
        return {**default_arguments(self.python, self.code), **self.args}

    @property
    def written(self) -> dict[str, Any]:
        """The value as a study file writes it."""
        return {"python": self.python, **({"args": self.args} if self.args else {})}

    def identity(self) -> dict[str, Any]:
        """What can change a result, in plain values."""
        return {**self.written, "code": self.code}

    def bind(self) -> Callable[..., Any]:
        """The callable with its arguments set. It takes values by the name of a parameter, as call() does.

        Of the values, it passes on those that the signature has and a study does not set. Bind a callable once if it is
        called often: call() reads its source files each time.

        Raises:
            NotationError: The callable is missing. The bound callable raises it for every error in the user's code.
        """
        function, arguments = find_callable(self.python), self.args
        with own_errors(self.python):
            names = inspect.signature(function).parameters

        def bound(**offered: Any) -> Any:
            with own_errors(self.python), redirect_stdout(sys.stderr):
                return function(**{key: value for key, value in offered.items() if key in names} | arguments)

        return bound

    def call(self, **offered: Any) -> Any:
        """Call it with its arguments, and those of `offered` that its signature has and a study does not set.

        Args:
            offered: Values by the name of a parameter.

        Raises:
            NotationError: The callable is missing, does not fit its arguments, or raises an error.
        """
        with same_folder():
            return self.bind()(**offered)

    def check_unchanged(self) -> None:
        """Check that the source is the one that this value was read with.

        Raises:
            NotationError: The source has changed, or cannot be loaded.
        """
        if code_digest(self.python) != self.code:
            raise NotationError(f"{self.python} has changed since the run began; run again to train what it is now")

    def check(self, *offered: str, needed: Iterable[str] = ()) -> None:
        """Check that it can be imported and that its signature fits, without calling it.

        Args:
            offered: The names of the parameters that call() will offer.
            needed: Those of them that it must have.

        Raises:
            NotationError: It cannot be imported, it has a parameter without a value, or lacks one that the study sets.
        """
        function = find_callable(self.python)
        try:
            parameters = inspect.signature(function).parameters
        except ValueError:  # some callables that are written in C have no signature
            return
        named = [name for name, one in parameters.items() if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)]
        every = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
        for key in self.args:
            if key not in named and not every:
                raise NotationError(f"{self.python} has no parameter '{key}'; {allowed(key, named)}")
        for name in named:
            if parameters[name].default is inspect.Parameter.empty and name not in (*offered, *self.args):
                known = f"its args and {', '.join(offered)}" if offered else "its args"
                raise NotationError(f"{self.python} needs a value for its parameter '{name}'; it receives {known}")
        for name in needed:
            if name not in named:  # **given receives what a study sets alone
                raise NotationError(f"{self.python} has no parameter '{name}'; it must take {' and '.join(needed)}")


def read_own_code(value: Mapping[str, Any], folders: tuple[Path, ...]) -> OwnCode:
    """The own code that a mapping of a study file names, with the digest of its source.

    Args:
        value: {python: module:callable, args: {...}}.
        folders: Searched for its module before Python's path, in order.

    Raises:
        NotationError: The mapping is not valid, or the callable is missing or raises an error.
    """
    if wrong := own_code_error(value):
        raise NotationError(wrong)
    look_in(*folders)
    try:
        arguments = json.dumps(value.get("args", {}), sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise NotationError(f"args: {error}; use plain values") from None
    return OwnCode(value["python"], arguments, code_digest(value["python"]))


def own_code_error(value: Mapping[str, Any]) -> str:
    """The error in a mapping that names own code, without the name of its key; "" if there is none."""
    if unknown := [str(key) for key in value if key not in KEYS]:
        return f": unknown key '{unknown[0]}'; {allowed(unknown[0], KEYS)}"
    if not isinstance(value.get("python"), str) or not REFERENCE.fullmatch(value["python"]):
        return f".python: found {describe(value.get('python'))}; allowed: package.module:callable"
    if not isinstance(value.get("args", {}), dict):
        return f".args: found {describe(value['args'])}; allowed: a mapping"
    return ""


def own_number(found: Any, reference: str, low: float = -LARGEST, where: str = "") -> float:
    """What own code returned, as a finite number.

    Args:
        found: What it returned: a number, or what Python's float() takes, such as a tensor of one value.
        reference: The callable, for the message.
        low: The lowest allowed number.
        where: When it was called, for the message, such as " in step 3".

    Raises:
        NotationError: It is something else, not finite, above LARGEST, or below `low`.
    """
    try:
        number = float(found)
    except OverflowError:
        number = math.inf
    except (TypeError, ValueError, RuntimeError):
        raise NotationError(f"{reference} returned {type(found).__name__}; allowed: a number") from None
    if not low <= number <= LARGEST:
        start = f" from {low:g}" if low >= 0 else ""
        end = f" up to {LARGEST:.2g}" if LARGEST < abs(number) < math.inf else ""
        raise NotationError(f"{reference} returned {number:g}{where}; allowed: a finite number{start}{end}")
    return number


def seed_draws(seed: int) -> None:
    """Seed the global generators of Python and NumPy, which the user's code may draw from.

    Args:
        seed: At least 0.
    """
    import numpy as np

    random.seed(seed)
    np.random.seed(seed % 2**32)


@contextmanager
def seeded_draws(seed: int) -> Iterator[None]:
    """Seed the global generators of Python and NumPy within the block; after it they are as they were.

    Args:
        seed: At least 0.
    """
    import numpy as np

    pythons, numpys = random.getstate(), np.random.get_state()
    seed_draws(seed)
    try:
        yield
    finally:
        random.setstate(pythons)
        np.random.set_state(numpys)
