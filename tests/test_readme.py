"""What the README says is so."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import pytest
from PIL import Image

import ablate
from ablate.api import load_experiment, load_search, load_study
from ablate.study.program import ProgramStudy
from ablate.study.schema import json_schema

ROOT = Path(ablate.__file__).parent.parent
README = (ROOT / "README.md").read_text()


STUDY, OWN_STUDY = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
SEARCH = re.findall(r"```yaml\n(.*?)```", (ROOT / "studies" / "SEARCH.md").read_text(), re.DOTALL)[0]
OWN_MODULES = {
    "my_net": """
from torch import nn

def build(classes, input_shape, norm="layer", kernel=7):
    return nn.Sequential(nn.Conv2d(input_shape[0], 8, kernel), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes))
""",
    "my_loss": "def focal(logits, labels, gamma): ...",
    "my_measures": "def cost(logits, labels): ...",
}


def test_the_own_ablation_in_the_readme_plans(tmp_path: Path) -> None:
    for name, text in OWN_MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
    for part, name in itertools.product(("train", "test"), ("cat", "dog")):
        (tmp_path / "photos" / part / name).mkdir(parents=True)
        Image.new("RGB", (32, 32)).save(tmp_path / "photos" / part / name / "0.png")
    (tmp_path / "study.yaml").write_text(OWN_STUDY)
    planned = load_study(tmp_path / "study.yaml")
    assert planned.variants[0].data.classes == 2
    titles = ["full", "w/o layer norm", "w/o large kernels", "w/o focal loss", "w/o cutmix"]
    assert [variant.title for variant in planned.variants] == titles


def test_the_designs_of_the_readme_of_studies_plan(tmp_path: Path) -> None:
    (tmp_path / "my_net.py").write_text(OWN_MODULES["my_net"])
    section = (ROOT / "studies" / "README.md").read_text().partition("\n## Designs\n")[2]
    variants = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)[0]
    head = "name: designs\ndata: cifar10\nrecipe: {base: wrn_cifar, cutmix: 0.5, mixup: 0.5}\nseeds: 1\n"
    (tmp_path / "study.yaml").write_text(head + variants)
    planned = load_study(tmp_path / "study.yaml")
    kinds = {design.kind for variant in planned.variants for design in variant.designs}
    assert kinds == {"leave_one_out", "path", "factorial", "fractional"}
    titles = [variant.title for variant in planned.variants if variant.title]
    assert titles[:7] == ["full", "w/o layer norm", "w/o mixing", "WRN-16-2", "+ cosine", "+ dropout", "+ wider"]


def test_the_table_of_the_readme_of_studies_plans(tmp_path: Path) -> None:
    section = (ROOT / "studies" / "README.md").read_text().partition("\n## Tables\n")[2]
    shaped = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)[0]
    (tmp_path / "study.yaml").write_text(
        f"name: shaped\ndata: cifar10\nrecipe: wrn_cifar\nseeds: 1\nbaseline: ours\n{shaped}"
    )
    planned = load_study(tmp_path / "study.yaml")
    assert [variant.title for variant in planned.variants] == ["ours", "bottleneck", "", "", ""]
    assert {variant.group for variant in planned.variants} == {"w/o CutMix", "with CutMix"}
    assert {baseline and baseline.title for baseline in planned.baselines} == {"ours"}


def test_the_study_and_the_search_in_the_readme_plan(tmp_path: Path) -> None:
    study, search = STUDY, SEARCH
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
    for page in (ROOT / "README.md", *(ROOT / "studies").glob("*.md"), ROOT / "reports" / "README.md"):
        for target in re.findall(r"\]\(([\w./-]+)(?:#[\w-]+)?\)", page.read_text()):
            assert (page.parent / target).exists(), (page.name, target)
    for named in re.findall(r"`([\w/]+/|[\w/]+\.py)`", (ROOT / "ablate" / "README.md").read_text()):
        assert any((folder / named).exists() for folder in (ROOT, ROOT / "ablate", ROOT / "ablate" / "nets")), named
