"""The files and the copies that a record counts stand in the report and on the page."""

from __future__ import annotations

import json
import shutil
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from planned import plan_text
from rich.console import Console

from ablate.api import load_study
from ablate.launch.options import RunOptions
from ablate.report.writers.plain import document_text

STUDY = """\
name: tiny
data: {name: image_folder, root: D, title: Tiny, classes: 2, image_size: 8, augment: none}
recipe: {base: wrn_cifar, epochs: 1, batch_size: 4}
seeds: 1
variants: [{net: WRN-10-0.25}]
"""


@pytest.mark.usefixtures("unrendered")
def test_files_and_copies_are_in_record_plan_and_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setenv("ABLATE_CACHE", str(tmp_path / "cache"))
    draw = np.random.RandomState(0)
    for part, n in (("train", 4), ("test", 2)):
        for name in ("cat", "dog"):
            (tmp_path / "D" / part / name).mkdir(parents=True)
            for i in range(n):
                Image.fromarray(draw.randint(0, 256, (8, 8, 3), np.uint8)).save(tmp_path / "D" / part / name / f"{i}.png")
    shutil.copy(tmp_path / "D" / "train" / "cat" / "0.png", tmp_path / "D" / "test" / "cat" / "0.png")
    (tmp_path / "D" / "train" / "dog" / "notes.txt").touch()
    (tmp_path / "tiny.yaml").write_text(STUDY)
    experiment = load_study(tmp_path / "tiny.yaml", runs=tmp_path / "runs")
    assert experiment.plan()["images"]["Tiny"]["train"] == {"cat": {"read": 4}, "dog": {"read": 4, "no image": 1}}
    assert experiment.plan()["memory"]["images"] == (8 + 4) * 8 * 8 * 3
    part = load_study(tmp_path / "tiny.yaml", ["data.train_size=6"], runs=tmp_path / "part").plan()
    assert part["memory"]["images"] == (6 + 4) * 8 * 8 * 3
    assert "images of Tiny, 6 training images are taken of these" in plan_text(part).splitlines()
    said = StringIO()
    assert experiment.run(RunOptions(inline=True), Console(file=said, width=200)).exit_code == 0
    assert "Tiny: 1 of 4 test images are also training images" in said.getvalue()
    (path,) = (tmp_path / "runs").glob("*/result.json")
    result = json.loads(path.read_text())
    assert result["test_images_in_training"] == 1
    assert result["image_files"] == experiment.plan()["images"]["Tiny"]
    text = document_text(experiment.report().document)
    assert "1 of 4 test images are also training images" in text
    assert "The same in every row: Images in train 4; Images in test 2." in text
    assert "| dog   | train: 1 no image |" in text
    page = next(file for file in experiment.report().write(tmp_path / "out") if file.name == "index.html").read_text()
    assert "1 of 4 test images are also training images" in page and "train: 1 no image" in page
