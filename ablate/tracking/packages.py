"""need(): a module of a package that only some readers have."""

from __future__ import annotations

import importlib
from typing import Any

from ablate.errors import RunError


def need(module: str, what: str, package: str = "") -> Any:
    """A module of a package that is no dependency of ablate.

    Args:
        module: Its name.
        what: What needs it, such as "parquet".
        package: The name that pip knows; "": that of the module's first part.

    Raises:
        RunError: The package is not installed.
    """
    package = package or module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise RunError(f"{what} needs the package {package} ({error}); pip install {package}") from None
