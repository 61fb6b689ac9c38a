"""Figures of a GPU: each is printed and kept at once, so that a part that is ended has given what it had."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

FILE = "figures.jsonl"


def say(name: str, value: Any) -> None:
    """Print a figure, and add it to the file in the directory $GPU_OUT, if that is set."""
    print(f"{name}: {value}", flush=True)
    if folder := os.environ.get("GPU_OUT"):
        with open(Path(folder) / FILE, "a") as file:
            file.write(json.dumps([name, value], default=str) + "\n")


def read(folder: Path) -> dict[str, Any]:
    """The figures in a directory, the last of each name."""
    path = folder / FILE
    return dict(map(json.loads, path.read_text().splitlines())) if path.exists() else {}
