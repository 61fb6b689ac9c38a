"""A study from a mapping is the study of a file with the same keys, and its errors name the place in the mapping."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ablate.api import load_search, load_study
from ablate.errors import AblateError, StudyError
from ablate.study.document import read_document

STUDIES = Path(__file__).parents[2] / "studies"
QUICK = read_document(STUDIES / "quickstart.yaml").value


@pytest.mark.parametrize("name", ["quickstart", "own_network", "factorial", "program_quickstart"])
def test_a_mapping_has_the_trials_of_the_file(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = STUDIES / f"{name}.yaml"
    monkeypatch.chdir(STUDIES)  # where its modules are
    of_file, of_mapping = load_study(path), load_study(read_document(path).value)
    assert [trial.id for trial in of_mapping.trials()] == [trial.id for trial in of_file.trials()]


def test_tuples_paths_and_numpy_numbers_are_what_they_say() -> None:
    variants = ({"grid": {"block": ("B(3,3)",), "k": np.int64(1), "depth": 10, "recipe.lr": np.float64(0.5)}},)
    study = load_study({**QUICK, "variants": variants, "baseline": "WRN-10-1", "seeds": np.int32(2)}, ["budget=null"])
    assert [trial.recipe.lr for trial in study.trials()] == [0.5, 0.5]
    assert "k" in QUICK["variants"][0]["grid"]  # an override changes a copy


CIRCLE: dict[str, Any] = {}
CIRCLE["again"] = CIRCLE


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"seed": 3}, r"study['seed']: unknown key 'seed'; did you mean 'seeds'?"),
        ({"recipe": {"base": "wrn_cifar", "lr": "x"}}, "study['recipe']['lr']: recipe.lr: found 'x'"),
        ({"variants": [{"net": ["WRN-10-1", abs]}]}, "study['variants'][0]['net'][1]: found builtin_function_or_method;"),
        ({"budget": {"parameters": float("nan")}}, "study['budget']['parameters']: the number nan is not finite"),
        ({"data": {1: 2}}, "study['data']: the key 1 is not text"),
        ({"data": CIRCLE}, "study['data']: nested deeper than 16"),
        ({"notes": "a\x00"}, "study['notes']: the character U+0000 cannot be printed"),
        ({"seeds": list(range(60_000))}, "study: more than 50000 values"),
    ],
)
def test_what_is_wrong_in_a_mapping_is_named(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyError) as found:
        load_study({**QUICK, **keys})
    assert str(found.value).startswith(message)


@pytest.mark.parametrize("study", [{}, 3, None, ["x"], "missing.yaml", b"x", Path("/"), {"name": "x", "program": {}}])
def test_whatever_is_no_study_is_an_error_of_ablate(study: Any) -> None:
    with pytest.raises(AblateError):
        load_study(study)
    with pytest.raises(StudyError, match=r"study defines no search; use load_study\(\)"):
        load_search(QUICK)


def test_own_code_that_exits_is_an_error_of_ablate(tmp_path: Path) -> None:
    (tmp_path / "leaving.py").write_text("import sys\nsys.exit(4)\n")
    (tmp_path / "study.yaml").write_text(
        "name: x\ndata: digits\nrecipe: wrn_cifar\nseeds: 1\nvariants: [{net: {python: leaving:net}}]\n"
    )
    with pytest.raises(AblateError, match=r"leaving.py:2: SystemExit: 4"):
        load_study(tmp_path / "study.yaml")
