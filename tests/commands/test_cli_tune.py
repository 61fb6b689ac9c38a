"""A study that tunes its variants, through the entry point, as a user runs it: with a program, and with networks."""

from __future__ import annotations

import csv
import json
import math
import random
import statistics
from pathlib import Path
from typing import Any

import pytest
from console import Command

from ablate.api import load_experiment, load_search
from ablate.records.records import read_record
from ablate.statistics.sequential import Rule, follow

pytestmark = pytest.mark.usefixtures("unrendered")

# The error of a variant is lowest at an lr of its own; seeds differ by what no lr changes.
PROGRAM = """\
import math, sys
lr, norm, seed = float(sys.argv[1]), sys.argv[2], int(sys.argv[3])
best = {"batch": 0.1, "none": 0.01}[norm]
error = 10 + math.log10(lr / best) ** 2 + 0.01 * (seed % 7) + 0.02 * (norm == "none") * (-1) ** seed
print('{"epoch": 1, "val_error": %r, "test_error": %r}' % (error, error + 1))
"""
STUDY = """\
name: fair
program: {command: "python -S train.py {lr} {norm} {seed}", files: [train.py]}
measures: [{name: test_error, unit: "%"}, {name: val_error, unit: "%"}]
seeds: 6
tune: {space: {lr: [0.001, 0.01, 0.1, 1]}, sampler: grid, decide_by: val_error, also_untuned: true}
variants: [{grid: {norm: [batch, none], lr: 0.1}}]
baseline: {norm: batch}
"""
NETWORKS = """\
name: fair
data: {name: digits, train_size: 128, test_size: 64, augment: none}
recipe: {base: wrn_cifar, epochs: 1, batch_size: 32}
seeds: 1
tune: {space: {recipe.lr: {low: 0.001, high: 0.2, log: true}}, trials: 2}
variants: [{grid: {net: WRN-10-0.25, norm: [batch, none]}}]
"""


def write(folder: Path, text: str) -> None:
    (folder / "fair.yaml").write_text(text)
    (folder / "train.py").write_text(PROGRAM)


def error(lr: float, norm: str, seed: int) -> float:
    """What the program prints as val_error."""
    best = {"batch": 0.1, "none": 0.01}[norm]
    return 10 + math.log10(lr / best) ** 2 + 0.01 * (seed % 7) + 0.02 * (norm == "none") * (-1) ** seed


def median(lr: float, norm: str) -> float:
    """Of the test errors of seeds 0 to 5."""
    return statistics.median(error(lr, norm, seed) + 1 for seed in range(6))


def choices(runs: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(runs.glob("tuned/*.json"))]


def test_from_the_plan_to_both_answers(ablate: Command, tmp_path: Path) -> None:
    write(tmp_path, STUDY)
    planned = ablate("plan", "fair.yaml").stdout
    assert "| lr, tuned |" in planned and "| open " in planned and "tuned: 0 of 2 variants, 8 trainings left" in planned
    assert "lr 0.001, 0.01, 0.1, 1: 4 candidates per variant, its own values first; minimized: mean val error" in planned
    assert "at the variants' own values too, 12 trials more: 12 missing" in planned
    assert json.loads(ablate("plan", "fair.yaml", "--json").stdout)["cost"]["open_trials"] == 2 * 4 + 2 * 6 + 2 * 6
    assert "8 missing" not in ablate("status", "fair.yaml").stdout and not (tmp_path / "runs").exists()
    done = ablate("run", "fair.yaml")
    assert (
        done.returncode == 0
        and "tuned: norm none: lr 0.01: 10.08% val error, the best of 4; 11.08% at its own lr 0.1" in (done.stderr)
    )
    assert "tuning: 8 candidates tried\n18 trials: 18 trained" in done.stderr  # batch is at its best at its own lr
    assert {one["candidates"][one["chosen"]]["values"]["lr"] for one in choices(tmp_path / "runs")} == {0.1, 0.01}
    assert [one["candidates"][0]["values"] for one in choices(tmp_path / "runs")] == [{"lr": 0.1}] * 2
    again = ablate("run", "fair.yaml")
    assert again.returncode == 0 and "18 trials: 0 trained, 18 recorded before" in again.stderr
    states = json.loads(ablate("status", "fair.yaml", "--json").stdout)
    assert states["states"] == {"recorded": 24} and [one["chosen"] for one in states["tuning"]] == [
        {"lr": 0.1},
        {"lr": 0.01},
    ]
    assert "| norm none             | lr 0.01 | 4 ended    | 6 recorded |" in ablate("status", "fair.yaml").stdout
    assert "tuned: 2 of 2 variants, 0 trainings left to tune" in ablate("plan", "fair.yaml").stdout
    told = ablate("report", "fair.yaml").stdout
    assert (
        "At the study's own lr, norm none is worse than norm batch; with each at its best, they cannot be told apart."
        in told
    )
    assert "Each variant's lr: the best of 4 candidates by the val error that the program reports" in told
    assert "the seeds of the choice are not among those reported here" in told
    with (tmp_path / "reports/fair/both.csv").open() as file:
        batch, none = csv.DictReader(file)
    assert (none["lr_own"], none["lr_best"], batch["lr_best"]) == ("0.1", "0.01", "0.1")
    for row, norm in ((batch, "batch"), (none, "none")):
        for when in ("own", "best"):
            lr = float(row[f"lr_{when}"])
            assert math.isclose(float(row[f"median_test_error_{when}"]), median(lr, norm))
            assert math.isclose(float(row[f"val_error_{when}"]), error(lr, norm, 1000))
    assert none["verdict_own"] == "worse" and math.isclose(float(none["difference_own"]), 1.0)
    assert none["verdict_best"] == "not told apart" and abs(float(none["difference_best"])) < 1e-9
    assert (
        "the median of 6 lies between" in ablate("trace", "reports/fair/table.csv", "--cell", "2,median_test_error").stdout
    )
    assert "2 of 2 bit-equal" in ablate("verify", "fair.yaml", "--trials", 2).stdout
    assert ablate("export", "fair.yaml", "--to", "csv", "--out", "exported").returncode == 0


def noisy(lr: float, norm: str, seed: int) -> float:
    """What the program of a study with both `tune` and `seeds.until` prints as test_error."""
    return 11 + math.log10(lr / {"batch": 0.1, "none": 0.01}[norm]) ** 2 + random.Random(f"{norm} {seed}").gauss(0, 0.1)


def write_both(folder: Path) -> None:
    until = "{from: 4, to: 12, until: decided, smallest_difference: 0.5}"
    (folder / "fair.yaml").write_text(STUDY.replace("seeds: 6", f"seeds: {until}"))
    (folder / "train.py").write_text(
        "import math, os, random, sys\n"
        "lr, norm, seed = float(sys.argv[1]), sys.argv[2], int(sys.argv[3])\n"
        "if os.path.exists('broken') and (lr, norm) == (1, 'none'): sys.exit('no good')\n"
        "best = {'batch': 0.1, 'none': 0.01}[norm]\n"
        "error = 11 + math.log10(lr / best) ** 2 + random.Random(f'{norm} {seed}').gauss(0, 0.1)\n"
        """print('{"epoch": 1, "val_error": %r, "test_error": %r}' % (error - 1, error))\n"""
    )


def test_variants_at_their_best_get_seeds_until_it_is_decided(ablate: Command, tmp_path: Path) -> None:
    write_both(tmp_path)
    planned = ablate("plan", "fair.yaml").stdout
    assert "tuned: 0 of 2 variants, 8 trainings left" in planned and "2 variants, 8 trials: 8 open" in planned
    assert "at the variants' own values: seeds: 4 to 12, until each of 1 comparison is decided; 8 trainings" in planned
    assert "norm none, not tuned against norm batch, not tuned: not compared yet" in ablate("status", "fair.yaml").stdout
    done = ablate("run", "fair.yaml")
    assert done.returncode == 0, done.stderr
    first, own = done.stderr.index("round of seeds 0 to 3: 1 of 1"), "round of seeds 0 to 3 at the variants' own values"
    assert done.stderr.rindex("tuned: norm") < first < done.stderr.index(own)
    rule, took = Rule(4, 12, 0.05, 0.5), {}
    for when, lr in (("best", 0.01), ("own", 0.1)):  # of norm none; norm batch is at its best at its own lr
        values = [{seed: noisy(*of, seed) for seed in range(12)} for of in ((0.1, "batch"), (lr, "none"))]
        (took[when],) = follow(rule, [(1, 0)], [0], values).courses
    assert (took["best"].verdict, took["own"].verdict) == ("equivalent", "different")
    n, m = took["best"].n, took["own"].n
    states = json.loads(ablate("status", "fair.yaml", "--json").stdout)
    assert states["states"] == {"recorded": 2 * (n + m)} and n != m
    assert [(one["verdict"], one["seeds"]) for one in states["comparisons"]] == [("equivalent", n), ("different", m)]
    again = ablate("run", "fair.yaml")
    assert f"{n + m + max(n, m)} trials: 0 trained" in again.stderr and "round" not in again.stderr
    told = ablate("report", "fair.yaml").stdout
    assert f"equivalent within 0.50 points: decided after {n} seeds" in told and "Incomplete" not in told
    assert f"{2 * n} trainings in all, without those of the tuning" in told
    assert "norm none is worse than norm batch; with each at its best, they are equivalent." in told
    assert f"worse after {m} seeds" in told and f"equivalent after {n} seeds" in told
    with (tmp_path / "reports/fair/both.csv").open() as file:
        _, none = csv.DictReader(file)
    for when, course in took.items():
        assert none[f"verdict_{when}"] == {"different": "worse"}.get(course.verdict, course.verdict)
        assert math.isclose(float(none[f"difference_{when}"]), course.estimate or 0.0)
    assert f"at the variants' own values too, {2 * m} trials more: {2 * m} recorded" in ablate("plan", "fair.yaml").stdout
    assert "2 of 2 bit-equal" in ablate("verify", "fair.yaml", "--trials", 2).stdout


def test_rounds_wait_for_the_tuning_of_all_variants(ablate: Command, tmp_path: Path) -> None:
    write_both(tmp_path)
    (tmp_path / "broken").touch()
    done = ablate("run", "fair.yaml", "--shard", "1/2")
    assert done.returncode == 3 and "not tuned: 1 variant" in done.stderr and "candidate 3, norm none" in done.stderr
    assert "round of seed 4:" not in done.stderr and len(choices(tmp_path / "runs")) == 1
    found = ablate("status", "fair.yaml").stdout
    assert "norm none against norm batch: not compared yet" in found and "1 of 2 variants tuned" in found
    assert "4 of 8 trials are recorded" in load_experiment("fair.yaml").analysis().progress  # type: ignore[union-attr]
    (tmp_path / "broken").unlink()
    assert ablate("run", "fair.yaml", "--shard", "1/2").returncode == 0  # alone, a part tunes and trains all
    assert json.loads(ablate("status", "fair.yaml", "--json").stdout)["states"].keys() == {"recorded"}


def test_a_report_made_elsewhere_needs_records_and_choices_alone(ablate: Command, tmp_path: Path) -> None:
    write(tmp_path, STUDY.replace("also_untuned: true", "also_untuned: false"))
    for shard in ("1/2", "2/2"):
        done = ablate("run", "fair.yaml", "--shard", shard, "--runs", f"of{shard[0]}")
        assert done.returncode == 0 and f"shard {shard[0]} of 2: 6 trials: 6 trained" in done.stderr
        assert len(choices(tmp_path / f"of{shard[0]}")) == 1
    merged = ablate("merge", "of1", "of2", "--into", "both")
    assert "tuned variants: 2 copied" in merged.stdout and not (tmp_path / "both/search.db").exists()
    assert "incomplete" not in ablate("report", "fair.yaml", "--runs", "both").stderr
    told = (tmp_path / "reports/fair/table.md").read_text()
    assert "trains it too" in told and "| none " in told and "Incomplete" not in told
    assert (
        "incomplete: fair: 6 of 12 trials are recorded; to go on: ablate run fair.yaml --runs of1"
        in ablate("report", "fair.yaml", "--runs", "of1", "--out", "part").stderr
    )
    before = (tmp_path / "part/fair/table.md").read_text()
    assert "Incomplete: 1 of 2 variants are tuned." in before and "| open " in before
    path = next((tmp_path / "of2/tuned").iterdir())
    path.write_bytes(path.read_bytes().replace(b'"chosen": ', b'"chosen": 1'))
    refused = ablate("report", "fair.yaml", "--runs", "of2")
    assert refused.returncode == 2 and refused.stderr.count("\n") == 1 and "damaged" in refused.stderr


def test_choices_that_contradict_each_other_are_not_merged(ablate: Command, tmp_path: Path) -> None:
    write(tmp_path, STUDY)
    assert ablate("run", "fair.yaml", "--quiet").returncode == 0
    (tmp_path / "train.py").write_text(PROGRAM + "\n")  # another program, whose records and choices are others'
    assert ablate("run", "fair.yaml", "--quiet", "--runs", "other").returncode == 0
    assert len(choices(tmp_path / "runs")) == len(choices(tmp_path / "other")) == 2
    one, *_ = sorted((tmp_path / "runs/tuned").iterdir())
    other, *_ = sorted((tmp_path / "other/tuned").iterdir())
    assert one.name != other.name
    one.rename(one.with_name(other.name))
    assert "not as `ablate run` writes it" in ablate("merge", "runs", "other", "--into", "all").stderr


def test_networks_are_tuned_on_held_out_training_images(ablate: Command, tmp_path: Path) -> None:
    (tmp_path / "fair.yaml").write_text(NETWORKS)
    assert "mean validation error on 12 held-out training images, 1 seed" in ablate("plan", "fair.yaml").stdout
    done = ablate("run", "fair.yaml")
    assert done.returncode == 0 and "2 trials: 2 trained" in done.stderr, done.stderr
    runs = tmp_path / "runs"
    lowest = []
    for choice in choices(runs):
        (own,), (drawn,) = (one["errors"] for one in choice["candidates"])
        assert choice["chosen"] == (0 if own <= drawn else 1) and choice["candidates"][0]["values"] == {"recipe.lr": 0.1}
        lowest.append(choice["candidates"][choice["chosen"]]["values"]["recipe.lr"])
        for one in choice["candidates"]:
            record = read_record(runs, *one["trials"], "validation")
            assert record and record.eval_error == one["errors"][0] and record.result["test_images"] == 12
    first, second = (choice["candidates"][1]["values"] for choice in choices(runs))
    assert first == second  # the same draws for every variant
    # Each tuned trial is the trial of a study that writes this value.
    tuned = {trial.id for trial in load_experiment("fair.yaml", runs=runs).trials()}  # type: ignore[union-attr]
    plain = NETWORKS.replace("tune: {space: {recipe.lr: {low: 0.001, high: 0.2, log: true}}, trials: 2}\n", "")
    written = set()
    for lr in lowest:
        (tmp_path / "plain.yaml").write_text(plain.replace("norm:", f"recipe.lr: {lr!r}, norm:"))
        written |= {trial.id for trial in load_experiment("plain.yaml", runs=runs).trials()}  # type: ignore[union-attr]
    assert tuned <= written
    # A tuning's trial is that of a search with the same values and images.
    (tmp_path / "search.yaml").write_text(
        NETWORKS[: NETWORKS.index("tune:")].replace("seeds: 1", "seeds: [1000]") + "base: WRN-10-0.25\nsearch:\n"
        "  {space: {recipe.lr: [0.1]}, validation: {holdout: 12}, sampler: grid}\n"
    )
    same = load_search("search.yaml", runs=runs)
    ids = {trial.id for trial in same.kind.trials(same.kind.make({"recipe.lr": 0.1}))}
    assert ids < {name for choice in choices(runs) for one in choice["candidates"] for name in one["trials"]}
    told = ablate("report", "fair.yaml").stdout
    assert "| lr, tuned |" in told and "the best of 2 candidates by the validation error on 12 held-out" in told


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "lr: [0.001, 0.01, 0.1, 1]",
            "lr: [0.001, 0.01]",
            "fair.yaml:5:16: tune.space.lr: norm batch has 0.1, which is not in",
        ),
        ("lr: [0.001", "norm: [batch, none], lr: [0.001", "tune.space: norm is varied by 'variants'; leave it out of one"),
        ("lr: [0.001", "decay: [0, 1], lr: [0.001", "decay: no placeholder {decay} in program.command"),
        (", sampler: grid", "", "5:1: 'tune.trials' is missing; add it, such as trials: 8"),
        ("decide_by: val_error", "decide_by: vall_error", "tune.decide_by: found 'vall_error'; did you mean 'val_error'?"),
        (
            "also_untuned",
            "validation: {holdout: 5}, also_untuned",
            "'tune.validation' is not valid in a study with 'program'",
        ),
        (
            "also_untuned",
            "pruner: median, also_untuned",
            "tune.pruner: median compares epochs, and their number is not known",
        ),
        (
            "also_untuned",
            "seeds: [1, 1], also_untuned",
            "tune.seeds: 1 is listed twice; list it once",
        ),
        ("also_untuned", "seeds: 1000000000, also_untuned", "tune.seeds: found 1000000000; allowed: how many (1 to 10000)"),
        ("also_untuned", "enqueue: [{lr: 5}], also_untuned", "tune.enqueue: lr 5 is not in tune.space"),
        ("also_untuned: true", "also_tuned: true", "5:81: unknown key 'also_tuned'; did you mean 'also_untuned'?"),
    ],
)
def test_what_is_refused_is_told_in_one_line(ablate: Command, tmp_path: Path, old: str, new: str, message: str) -> None:
    write(tmp_path, STUDY.replace(old, new))
    done = ablate("plan", "fair.yaml")
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and message in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("recipe.lr:", "norm:", "5:16: tune.space: norm cannot be tuned; allowed: recipe.*, data.*, args.*, dropout"),
        ("recipe.lr: {low", "depth: {low", "5:16: tune.space: depth cannot be tuned; allowed: recipe.*, data.*, args.*"),
        ("recipe.lr:", "recipe.ler:", "tune.space.recipe.ler: unknown axis 'recipe.ler'; did you mean 'lr'?"),
        ("norm: [batch, none]", "recipe.lr: [0.1, 0.2]", "tune.space: recipe.lr is given by 'variants'; leave it out"),
        ("low: 0.001", "low: 0.15", "tune.space.recipe.lr: WRN-10-0.25 has 0.1, which is not in the space; widen it"),
        ("trials: 2", "trials: 2, validation: {holdout: 500}", "tune.validation.holdout: found 500; allowed: fewer than"),
        ("trials: 2", "trials: 2, pruner: wilcoxon", "tune.pruner: wilcoxon cannot prune with 1 trainings per candidate"),
        ("seeds: 1", "seeds: 0", "4:1: seeds: found 0; a study that has 'tune' needs 1 or more"),
        ("high: 0.2", "high: 0.0001", "tune.space.recipe.lr: found low 0.001, high 0.0001; allowed: low below high"),
        ("variants: [{grid: {net: WRN-10-0.25, norm: [batch, none]}}]", "search: {space: {dropout: [0, 0.1]}}",
         "'tune' is not valid in a study that has 'search'; leave one of them out"),
    ],
)  # fmt: skip
def test_what_networks_cannot_have_is_told_in_one_line(
    ablate: Command, tmp_path: Path, old: str, new: str, message: str
) -> None:
    (tmp_path / "fair.yaml").write_text(NETWORKS.replace(old, new))
    done = ablate("plan", "fair.yaml")
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and message in done.stderr, done.stderr
