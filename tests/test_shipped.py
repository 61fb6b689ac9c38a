"""The shipped studies, the schema and the links of the pages. tests/commands/test_pages.py runs what the pages show."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import ablate
from ablate.api import load_experiment
from ablate.study.json_schema import json_schema
from ablate.study.program import ProgramStudy

ROOT = Path(ablate.__file__).parent.parent


def test_the_readme_is_at_most_120_lines_long() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


def test_the_shipped_schema_is_the_one_printed() -> None:
    assert json.loads((ROOT / "studies" / "schema.json").read_text()) == json_schema()


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*.yaml")), ids=lambda path: path.name)
def test_shipped_studies_plan_and_name_the_schema(path: Path) -> None:
    assert path.read_text().startswith("# yaml-language-server: $schema=schema.json\n")
    study = load_experiment(path).study
    assert study.name == path.stem or (not isinstance(study, ProgramStudy) and study.search)


def test_pictures_and_links_are_there() -> None:
    for page in (ROOT / "README.md", *(ROOT / "studies").glob("*.md"), ROOT / "reports" / "README.md"):
        for target in re.findall(r"\]\(([\w./-]+)(?:#[\w-]+)?\)", page.read_text()):
            assert (page.parent / target).exists(), (page.name, target)
    for named in re.findall(r"`([\w/]+/|[\w/]+\.py)`", (ROOT / "ablate" / "README.md").read_text()):
        assert any((folder / named).exists() for folder in (ROOT, ROOT / "ablate", ROOT / "ablate" / "nets")), named


def test_every_report_is_listed_with_its_finding() -> None:
    listed = re.findall(r"\]\((\w+/table\.md)\)", (ROOT / "reports" / "README.md").read_text())
    assert {f"{path.parent.name}/table.md" for path in (ROOT / "reports").glob("*/table.md")} <= set(listed)
