"""What the README says is so."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import ablate
from ablate.api import load_experiment, load_search, load_study
from ablate.study.program import ProgramStudy
from ablate.study.schema import json_schema

ROOT = Path(ablate.__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_study_and_the_search_in_the_readme_plan(tmp_path: Path) -> None:
    study, search = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    path = tmp_path / "study.yaml"
    path.write_text(study)
    experiment = load_study(path)
    assert any(experiment.baselines) and len(experiment.variants) >= 2
    path.write_text(search)
    planned = load_search(path).plan()["search"]
    assert (planned["distinct"], planned["states"]) == (13, {"missing": 40})


def test_the_shipped_schema_is_the_one_printed() -> None:
    assert json.loads((ROOT / "studies" / "schema.json").read_text()) == json_schema()


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*.yaml")), ids=lambda path: path.name)
def test_shipped_studies_plan_and_name_the_schema(path: Path) -> None:
    assert path.read_text().startswith("# yaml-language-server: $schema=schema.json\n")
    study = load_experiment(path).study
    assert study.name == path.stem or (not isinstance(study, ProgramStudy) and study.search)


def test_pictures_and_links_are_there() -> None:
    for target in re.findall(r"\]\(([\w./-]+)\)", README):
        assert (ROOT / target).exists(), target
    for named in re.findall(r"`([\w/]+/|[\w/]+\.py)`", (ROOT / "ablate" / "README.md").read_text()):
        assert any((folder / named).exists() for folder in (ROOT, ROOT / "ablate", ROOT / "ablate" / "nets")), named
