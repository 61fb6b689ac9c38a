"""The dependency rule: imports run downward only, packages on one line never import each other, and none in a circle."""

from __future__ import annotations

import ast
from pathlib import Path

import ablate

ROOT = Path(ablate.__file__).parent
LEVELS = [
    {"errors"},
    {"files", "processes"},
    {"own_modules"},
    {"registry", "own_code", "metrics", "statistics"},
    {"nets", "data", "kinds"},
    {"study", "records"},
    {"tracking"},
    {"train"},
    {"report", "schedule"},
    {"precision", "memory"},
    {"launch", "estimate", "running"},
    {"search"},
    {"verify", "experiment_trial", "planned", "study_trials"},
    {"adopt"},
    {"experiment"},
    {"network_experiment", "program_experiment"},
    {"api"},
    {"archive", "clean", "kept_experiment"},
    {"commands"},
    {"__main__"},
]
LEVEL = {part: number for number, parts in enumerate(LEVELS) for part in parts}


def name_of(path: Path) -> str:
    """A module's name, without the ending `.__init__` of a package's."""
    return ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")


# The package's own __init__ offers the api and is imported for its version: it has no place among the levels.
PATHS = {name_of(path): path for path in sorted(ROOT.rglob("*.py")) if path != ROOT / "__init__.py"}


def imports(name: str) -> set[str]:
    """The modules of ablate that a module imports, wherever in it: inside functions and for type checking too."""
    found = set()
    for node in ast.walk(ast.parse(PATHS[name].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: relative import"
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {module if module in PATHS else str(node.module) for module in inside}
    return found & PATHS.keys()


GRAPH = {name: imports(name) for name in PATHS}


def circles(graph: dict[str, set[str]]) -> set[frozenset[str]]:
    """The largest sets of modules each of which imports, by way of others, each other one and itself."""
    reached = {name: set(imported) for name, imported in graph.items()}
    for middle in graph:
        for name in graph:
            if middle in reached[name]:
                reached[name] |= reached[middle]
    return {
        frozenset(other for other in graph if other in reached[name] and name in reached[other])
        for name in graph
        if name in reached[name]
    }


def part_of(name: str) -> str:
    return name.split(".")[1]


def test_imports_run_downward() -> None:
    upward = [
        f"{name} imports {imported}"
        for name in GRAPH
        for imported in sorted(GRAPH[name])
        if (here := part_of(name)) != (there := part_of(imported))
        and (LEVEL[there] >= LEVEL[here] or (here, there) == ("schedule", "train"))  # it is handed its work by name
    ]
    assert not upward, "\n".join(upward)


def test_no_modules_import_each_other_in_a_circle() -> None:
    found = circles(GRAPH)
    assert not found, f"break these circles: {[sorted(circle) for circle in found]}"


def test_a_circle_is_seen() -> None:
    graph = {"a": {"b"}, "b": {"c", "d"}, "c": {"a"}, "d": {"e"}, "e": set(), "f": {"f"}}
    assert circles(graph) == {frozenset("abc"), frozenset("f")}


def test_every_module_has_a_level() -> None:
    assert not [name for name in PATHS if part_of(name) not in LEVEL]
    assert len(PATHS) > 50


def test_study_and_counts_need_no_torch() -> None:
    needs = {name for name, path in PATHS.items() if "import torch" in (text := path.read_text()) or "from torch" in text}
    assert {part_of(name) for name in needs} <= {"nets", "data", "kinds", "train", "schedule"}
    assert {name for name in needs if part_of(name) == "nets"} <= {
        "ablate.nets.build",
        "ablate.nets.custom",
        "ablate.nets.detector",
        "ablate.nets.weights",
    }
