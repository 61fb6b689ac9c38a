"""Trials keep their ids: trial_ids.json holds those of every shipped study and of many changes of one trial.

They were written by an earlier version. An id that changes would make every record of that trial unfindable.
The four of searches are newer: their objective is the mean now. Where a study says `precision: auto` they are of bfloat16.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from ablate.data.copies import Copy
from ablate.study.plan import enumerate_variants
from ablate.study.spec import load_any_study, load_study
from ablate.study.study import Study

KNOWN = json.loads((Path(__file__).parent / "trial_ids.json").read_text())
STUDIES = Path(__file__).parents[2] / "studies"


@pytest.mark.parametrize("name", KNOWN["studies"])
def test_of_a_shipped_study(name: str) -> None:
    stem, _, scale = name.partition(":")
    recorded = scale and stem not in ("efficiency", "scaling")  # the small scales were trained on such images
    copies = [Copy("cifar10", "JPEG copy", None)] if recorded else []
    study = load_any_study(STUDIES / f"{stem}.yaml", scale=scale, remembered=copies, precision=lambda: "bfloat16")
    assert isinstance(study, Study)
    if study.search:
        ids = [study.search.digest]
    else:
        variants = enumerate_variants(study).variants
        ids = [trial.id for variant in variants for trial in variant.trials(study.seeds or (0,))]
    digest = hashlib.sha256(" ".join(ids).encode()).hexdigest()[:16]
    assert {"trials": len(ids), "first": ids[0], "digest": digest} == KNOWN["studies"][name]


def one_id(folder: Path, data: str, overrides: list[str]) -> str:
    path = folder / "one.yaml"
    path.write_text(
        f"name: x\ndata: {data}\nrecipe: {{base: wrn_cifar, init: ones}}\nseeds: 1\nvariants: [{{net: WRN-16-1}}]\n"
    )
    return enumerate_variants(load_study(path, overrides)).variants[0].trials((3,))[0].id


def test_of_every_change_of_a_recipe_or_of_data(tmp_path: Path) -> None:
    found = {change: one_id(tmp_path, "cifar10", [change] if change else []) for change in KNOWN["changes"]}
    assert found == KNOWN["changes"]


def test_of_every_data_set(tmp_path: Path) -> None:
    assert {data: one_id(tmp_path, data, []) for data in KNOWN["data"]} == KNOWN["data"]


def test_a_list_of_steps_is_the_name_that_means_it(tmp_path: Path) -> None:
    """The same steps have one id, however they are written; other steps have another."""

    def of(augment: str) -> str:
        return one_id(tmp_path, "cifar10", [f"data.augment={augment}"])

    assert of("[crop, flip]") == of("[{crop: 4}, flip]") == of("[{crop: {padding: 4}}, flip]") == of("flip_crop")
    assert of("[]") == of("none") and of("[flip]") == of("flip")
    others = [of("[flip, crop]"), of("[{crop: 2}, flip]"), of("[crop, flip, flip]"), of("flip_crop"), of("none")]
    assert len(set(others)) == len(others)
