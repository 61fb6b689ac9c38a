"""The dependency rule: imports run downward only, and packages on one line never import each other."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import ablate

ROOT = Path(ablate.__file__).parent
LEVELS = [
    {"errors", "files", "processes"},
    {"registry"},
    {"nets", "data", "kinds"},
    {"study", "records"},
    {"train"},
    {"report", "schedule"},
    {"launch", "evaluate", "estimate", "export"},
    {"search"},
    {"verify"},
    {"api"},
    {"commands"},
    {"cli"},
]


def level(part: str) -> int:
    return next(i for i, parts in enumerate(LEVELS) if part in parts)


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
    return {name for name in found if name.startswith("ablate.")}


def part_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_downward(path: Path) -> None:
    here = part_of(path)
    if here == "__init__":
        return
    for name in imports(path):
        there = name.split(".")[1]
        allowed = there == here or level(there) < level(here)
        # schedule is handed its work by name and must not know train
        assert allowed and (here, there) != ("schedule", "train"), f"{path.relative_to(ROOT)} imports {name}"


def test_every_package_has_a_level() -> None:
    parts = {part_of(path) for path in ROOT.rglob("*.py")} - {"__init__"}
    assert all(any(part in parts_ for parts_ in LEVELS) for part in parts)


def test_study_and_counts_need_no_torch() -> None:
    needs = [p for p in ROOT.rglob("*.py") if "import torch" in p.read_text() or "from torch" in p.read_text()]
    assert {part_of(path) for path in needs} <= {"nets", "data", "kinds", "train", "schedule", "evaluate"}
    assert {path.name for path in needs if part_of(path) == "nets"} <= {"build.py", "custom.py", "weights.py"}
