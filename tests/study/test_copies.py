"""`--images`: class folders in place of the data set that a study names, remembered beside the records."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from PIL import Image

from ablate.api import load_experiment
from ablate.errors import AblateError
from ablate.network_experiment import Experiment
from ablate.records.merge import merge_runs
from ablate.records.remembered import IMAGES as NAME
from ablate.records.remembered import remembered_copies

STUDY = """
name: copied
data: {data}
recipe: {{base: wrn_cifar, epochs: 1, batch_size: 2}}
seeds: 1
variants: [{{net: WRN-10-0.25}}]
"""


def write_images(folder: Path, ending: str = "png") -> Path:
    for part in ("train", "test"):
        for name in "abcdefghij":
            path = folder / part / name / f"0.{ending}"
            path.parent.mkdir(parents=True)
            Image.new("RGB", (32, 32), (ord(name), 0, 0)).save(path)
    return folder


def load(tmp_path: Path, data: str, *images: str, runs: str = "runs") -> Experiment:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY.format(data=data))
    found = load_experiment(path, runs=tmp_path / runs, images=images)
    assert isinstance(found, Experiment)
    return found


@pytest.mark.parametrize("data", ["cifar10", "{name: cifar10, preprocess: zca, augment: flip, train_size: 10}"])
def test_it_is_the_image_folder_that_a_study_could_name(tmp_path: Path, data: str) -> None:
    folder = write_images(tmp_path / "photos", "jpg")
    fields = data.strip("{}").replace("name: cifar10", "").replace("cifar10", "")
    written = f"{{name: image_folder, title: CIFAR-10 (JPEG copy), copy_of: cifar10, root: photos{fields}}}"
    copied = load(tmp_path, data, f"cifar10={folder}")
    assert [trial.id for trial in copied.trials()] == [trial.id for trial in load(tmp_path, written).trials()]
    assert copied.trials() != load(tmp_path, data).trials()
    assert f"CIFAR-10: the JPEG copy in {folder}" in copied.remarks()


def test_a_run_remembers_it_and_a_merged_directory_its_name_alone(tmp_path: Path) -> None:
    copied = load(tmp_path, "cifar10", str(write_images(tmp_path / "photos")))
    assert not (tmp_path / "runs").exists()  # a plan writes nothing
    assert copied.run().exit_code == 0
    again = load(tmp_path, "cifar10")
    assert {state["state"] for state in again.status()["trials"]} == {"recorded"}
    assert not merge_runs([tmp_path / "runs"], tmp_path / "merged").passed_over
    merged = load(tmp_path, "cifar10", runs="merged")
    assert {state["state"] for state in merged.status()["trials"]} == {"recorded"}
    assert [(copy.words, copy.root) for copy in remembered_copies(tmp_path / "merged")] == [("PNG copy", None)]
    (given,) = load(tmp_path, "cifar10", str(tmp_path / "photos"), runs="merged").study.copies
    assert given.root == str(tmp_path / "photos")  # what is given comes before what is remembered
    other = load(tmp_path, "cifar100")  # of which there is no copy
    assert other.study.copies == () and other.study.data.name == "cifar100"


@pytest.mark.parametrize(
    ("data", "images", "message"),
    [
        ("cifar10", ["none"], "none has no train/<class>/* inside; give a directory of class folders"),
        ("cifar10", ["cifar11={}"], "`images`: found 'cifar11'; did you mean 'cifar10'?"),
        ("cifar10", ["svhn={}"], "`images`: the study does not use svhn; its data sets: cifar10"),
        (
            "[cifar10, cifar100]",
            ["{}"],
            "`images`: give NAME=DIR with a data set of the study; its data sets: cifar10, cifar100",
        ),
        ("cifar10", ["{}", "{}"], "`images`: a data set is given twice; give each once, as NAME=DIR"),
    ],
)
def test_what_cannot_be_put_in_place_is_one_line(tmp_path: Path, data: str, images: list[str], message: str) -> None:
    folder = write_images(tmp_path / "photos")
    with pytest.raises(AblateError) as error:
        load(tmp_path, data, *(each.format(folder) for each in images))
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"cifar10": 1}',
        b'{"cifar10": {"words": "a\\nb", "root": null}}',
        b'{"x": {"words": "a", "root": null}}',
        b'{"cifar10": {"words": "a", "root": "/a\\u0000b"}}',
    ],
)
def test_a_damaged_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / NAME).write_bytes(content)
    with pytest.raises(AblateError, match="is not a file of ablate; remove it"):
        load(tmp_path, "cifar10")


def test_one_data_set_does_not_forget_another(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "photos")
    for name in ("cifar10", "svhn"):
        load(tmp_path, name, str(folder)).run()
    assert orjson.loads((tmp_path / "runs" / NAME).read_bytes()).keys() == {"cifar10", "svhn"}
