"""The pages work: a study file is planned, a command is run, Python is executed; NOT_RUN says of the others why not."""

from __future__ import annotations

import importlib.util
import itertools
import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from console import Command
from PIL import Image

import ablate as package
from ablate.api import load_experiment
from ablate.kinds.optimizers import Optimizer
from ablate.search.experiment import SearchExperiment

ROOT = Path(package.__file__).parent.parent
PAGES = [ROOT / name for name in ("README.md", "reports/README.md", "ablate/README.md", "SECURITY.md", "CHANGELOG.md")]
PAGES += sorted((ROOT / "studies").glob("*.md"))
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$|(?<=\n\n)((?: {4}[^\n]*\n|\n(?= {4}))+)", re.MULTILINE | re.DOTALL)
NOT_RUN = {  # the beginning of a block or a command: why it is not run
    "study file --load-->": "a diagram",
    "[CIFAR-|ImageNet-]<name>": "the form of a name",
    "[project.entry-points": "a part of a package's pyproject.toml",
    "5 seeds are too few": "what a command prints",
    "pip install": "installs packages; the test of the extras checks their names",
    "pytest": "runs this",
    "ablate run studies/block_types.yaml --scale small": "trains on CIFAR-10, which is not at hand",
    "bash studies/slurm.sh": "run by test_slurm.py",
    "optuna-dashboard": "serves pages until it is stopped",
    "ablate clean STUDY": "removes what the other commands read; run by its own tests",
    "ablate merge reports/NAME/records": "stands for any report; run by the tests of kept records",
    "ablate export STUDY --to onnx": "needs the packages of the extra onnx; run by the tests of exports",
    "ablate run STUDY --on ray": "starts a cluster; run by test_on_ray.py",
}
STUDY = """\
name: x
data: {name: digits, train_size: 64, test_size: 64}
recipe: {base: wrn_cifar, epochs: 1, batch_size: 32}
seeds: 2
figures: [errors]
variants: [{net: [WRN-10-0.25, WRN-10-0.25-B(3,1)]}]
baseline: WRN-10-0.25
"""
SEARCH = """\
name: search
data: {name: digits, train_size: 64}
recipe: {base: wrn_cifar, epochs: 1, batch_size: 16}
base: WRN-10-0.25
search: {space: {dropout: [0, 0.3]}, validation: {folds: 2}, trials: 2, sampler: random}
"""
AROUND = {  # the keys of a study of which a page shows a part
    "name": "part",
    "data": "cifar10",
    "recipe": "{base: wrn_cifar, mixup: 0.5, cutmix: 0.5}",
    "seeds": "6",
    "variants": "[{net: [WRN-16-2, WRN-16-1]}]",
}
NETWORK = """\
from torch import nn

def build(classes, input_shape, norm="layer", kernel=7, width=8):
    return nn.Sequential(
        nn.Conv2d(input_shape[0], width, kernel), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes)
    )
"""
MODULES = {
    "my_net": NETWORK,
    "mynet": NETWORK,
    "my_loss": "def focal(logits, labels, gamma): return logits.sum()",
    "my_measures": "def cost(logits, labels): return 0.5",
    "mine": "def f1(logits, labels, average): return 0.5",
    "my_data": """\
import numpy as np

def load(root, side):
    part = np.zeros((20, side, side, 3), np.uint8), np.arange(20) % 2
    return {"train": part, "test": part}
""",
    "train": "",
}
TITLES = {  # what the comments of a block promise
    "name: own_network": ["full", "w/o layer norm", "w/o large kernels", "w/o focal loss", "w/o cutmix"],
    "variants:\n  - leave_one_out": [
        "full", "w/o layer norm", "w/o mixing", "WRN-16-2", "+ cosine", "+ dropout", "+ wider",
    ],
    "variants:\n  - net": ["ours", "bottleneck", "", "", ""],
}  # fmt: skip


class Block(NamedTuple):
    """A block of a page: its language, if it is fenced with one, and its lines."""

    page: Path
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}: {self.text.splitlines()[0]}"

    @property
    def kind(self) -> str:
        """What it is: "yaml", "python", "commands", or "" for what is not run."""
        forms = {"yaml": r"\w+: |\w+:\n", "commands": r"(ablate|bash|pip|pytest) ", "python": r"\w+ = "}
        return self.language or next((kind for kind, form in forms.items() if re.match(form, self.text)), "")

    @property
    def commands(self) -> list[str]:
        """The commands of its lines, without comments."""
        lines = [shlex.split(line, comments=True) for line in self.text.splitlines()]
        return [line for words in lines for line in " ".join(map(shlex.quote, words)).split(" '&&' ")]


BLOCKS = [
    Block(page, language, fenced or re.sub("^    ", "", indented, flags=re.MULTILINE))
    for page in PAGES
    for language, fenced, indented in BLOCK.findall(page.read_text())
]
COMMANDS = {
    page: [line for b in BLOCKS if b.page == page and b.kind == "commands" for line in b.commands] for page in PAGES
}


def of_kind(kind: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("block", [block for block in BLOCKS if block.kind == kind], ids=str)


def is_run(text: str) -> bool:
    return not text.startswith(tuple(NOT_RUN))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the pages take for granted: studies, own code, images in several forms."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "studies", tmp_path / "studies", ignore=shutil.ignore_patterns("*.md"))
    for name, text in {"studies/quickstart": STUDY, "STUDY": STUDY, "SEARCH": SEARCH}.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    code = re.search(r"```python\n(from torch.*?)```", (ROOT / "studies" / "NETWORKS.md").read_text(), re.DOTALL)
    for name, text in {**MODULES, "my_networks": code[1] if code else ""}.items():
        for place in (tmp_path, tmp_path / "studies"):
            (place / f"{name}.py").write_text(text)
    for root, part, name in itertools.product(("photos", "DIR"), ("train", "test"), ("cat", "dog")):
        (of_class := tmp_path / "studies" / root / part / name).mkdir(parents=True)
        for i in range(5):
            Image.new("RGB", (32, 32), (i, 0, 0)).save(of_class / f"{i}.png")
    images, labels = np.zeros((20, 32, 32, 3), np.uint8), np.arange(20) % 2
    np.savez("studies/images.npz", train_images=images, train_labels=labels, test_images=images, test_labels=labels)
    return tmp_path


def test_every_block_is_run_or_named_with_a_reason() -> None:
    lines = [line for found in COMMANDS.values() for line in found]
    texts = [block.text for block in BLOCKS if not block.kind]
    assert BLOCKS and not [text for text in texts if is_run(text)]
    assert [start for start in NOT_RUN if not any(text.startswith(start) for text in (*texts, *lines))] == []


def alternatives(text: str) -> Iterator[dict[str, str]]:
    """The keys of a part of a study with their text. Where a key comes again, another part begins."""
    found: dict[str, str] = {}
    for key, value in re.findall(r"^(\w+):(.*\n(?:(?:[ #].*)?\n)*)", text, re.MULTILINE):
        if key in found:
            yield found
            found = {}
        found[key] = value
    yield found


def completed(part: dict[str, str]) -> str:
    """A study file that has a part."""
    around = AROUND
    if "space" in part:
        space = part["space"].replace("\n", "\n  ")
        part = {"base": " WRN-16-2\n", "search": f"\n  space:{space}\n  validation: {{folds: 2}}\n  trials: 2\n"}
        around = {key: AROUND[key] for key in ("name", "data", "recipe")}
    elif "label:" in part.get("variants", ""):
        around = {**AROUND, "baseline": "ours"}
    elif "also_test" in part:
        around = {**AROUND, "data": "{name: image_folder, root: photos}"}
    elif "program" in part:
        around = {key: AROUND[key] for key in ("name", "seeds")}
    around = {} if "name" in part else {key: f" {value}\n" for key, value in around.items()}
    return "".join(f"{key}:{value}" for key, value in {**around, **part}.items())


@of_kind("yaml")
def test_a_study_of_a_page_plans(block: Block, folder: Path) -> None:
    for part in alternatives(block.text):
        if "parquet" in part.get("data", ""):
            write_tables(folder / "studies" / "DIR")
        (folder / "studies" / "page.yaml").write_text(completed(part))
        planned = load_experiment(folder / "studies" / "page.yaml")
        assert planned.plan()
        for start, titles in TITLES.items() if not isinstance(planned, SearchExperiment) else ():
            if block.text.startswith(start):
                assert [variant.title for variant in planned.variants][: len(titles)] == titles


def write_tables(folder: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    encoded, labels = [(folder / "train" / "cat" / "0.png").read_bytes()] * 20, [0, 1] * 10
    for part in ("train", "test"):
        table = pytest.importorskip("pyarrow").table({"image": encoded, "label": labels})
        parquet.write_table(table, folder / f"{part}.parquet")


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize("page", list(dict.fromkeys(b.page for b in BLOCKS if b.kind == "python")), ids=lambda p: p.name)
def test_python_of_a_page_works(page: Path, folder: Path, ablate: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["train.py"])
    names: dict[str, Any] = {"ablate": package, "torch": torch, **vars(importlib.import_module(Optimizer.__module__))}
    assert ablate("run", "studies/quickstart.yaml").returncode == 0
    for block in BLOCKS:
        if block.page == page and block.kind == "python":
            exec(block.text, names)


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize(
    "page", [page for page, lines in COMMANDS.items() if any(map(is_run, lines))], ids=lambda p: p.name
)
def test_the_commands_of_a_page_work(page: Path, folder: Path, ablate: Command) -> None:
    if page.name != "SEARCH.md":
        assert ablate("run", "STUDY.yaml").returncode == 0
    if any("DIR..." in line for line in COMMANDS[page]):
        assert ablate("run", "STUDY.yaml", "--runs", "runs_2").returncode == 0
    meant = {"STUDY": "SEARCH.yaml" if page.name == "SEARCH.md" else "STUDY.yaml", "DIR...": "runs_2"}
    for line in filter(is_run, COMMANDS[page]):
        found = ablate(*(meant.get(word, word) for word in shlex.split(line)[1:]))
        assert found.returncode == 0, (line, found.stderr)


def test_the_commands_in_sentences_are_known(folder: Path, ablate: Command) -> None:
    """Those that need no records and no weights are run; of the others the command and its options are looked up."""
    for words in (shlex.split(line) for page in PAGES for line in re.findall(r"`ablate ([^`]+)`", page.read_text())):
        runs = words[0] in ("show", "draw") and "FILE" not in words
        given = [word.replace("NET", "WRN-10-1") for word in words] if runs else [*words, "--help"]
        found = ablate(*given)
        partly = not runs and ("Missing argument" in found.stderr or "requires an argument" in found.stderr)
        assert found.returncode == 0 or partly, (words, found.stderr)


def test_the_fields_of_a_record_are_those_of_the_page(folder: Path, ablate: Command) -> None:
    assert ablate("run", "STUDY.yaml", "-s", "seeds=1", "-s", "variants=[{net: WRN-10-0.25}]").returncode == 0
    (trial,) = (path.parent for path in (folder / "runs").glob("*/result.json"))
    page = (ROOT / "reports" / "README.md").read_text()
    parts = re.split(r"^\*\*([\w.-]+).*?\*\* ", page.partition("field by field")[2], flags=re.MULTILINE)
    found = {name: set(re.findall(r"`(\w+)`", text.partition("\n## ")[0])) for name, text in zip(parts[1::2], parts[2::2])}
    for name, sometimes in {
        "trial.json": {"program", "axes"},
        "epochs.jsonl": {"validation_loss", "validation_error", "validation_seconds", "seconds", "validation"},
        "result.json": {"image_files", "normalized_code", "seconds"},
    }.items():
        written = json.loads(
            (trial / name).read_text().splitlines()[0] if name == "epochs.jsonl" else (trial / name).read_text()
        )
        assert set(written) - found[name] == set(), name
        described = re.findall(r"^\| (`.*?`) \|", page.partition(f"**{name}**")[2].partition("\n**")[0], re.MULTILINE)
        fields = {field for cell in described for field in re.findall(r"`(\w+)`", cell)}
        assert fields - set(written) <= sometimes, name
    assert set(json.loads((trial / "result.json").read_text())["provenance"]) <= found["result.json"]
    files = set(
        re.findall(r"`([a-z]+)[.<-]", page.partition("`runs/<id of the trial>/`")[2].partition("**trial.json**")[0])
    )
    assert {re.split(r"[.-]", path.name)[0] for path in trial.iterdir()} - files <= {"lock"}
    (evaluation,) = trial.glob("evaluation-*.json")
    assert set(json.loads(evaluation.read_text())) <= found["evaluation-"]


def test_the_modules_and_extras_that_the_pages_name_exist() -> None:
    extras = re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    for page in PAGES:
        assert set(re.findall(r"(?:ablate-studies|\.)\[(\w+)\]'", page.read_text())) <= set(extras), page
        assert all(importlib.util.find_spec(module) for module in re.findall(r"python -m ([\w.]+)", page.read_text())), page
