"""The command through its entry point, as a user runs it."""

from __future__ import annotations

import functools
import json
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from conftest import TINY
from console import Command, command_line, heavy_imports, start_forked
from PIL import Image
from waiting import wait_for

import ablate as ablate_package
from ablate.api import load_study
from ablate.commands.cli import main
from ablate.launch.options import RunOptions
from ablate.records.epochs import read_epochs
from ablate.records.records import read_record


@pytest.fixture
def driver(tmp_path: Path, forked: list[subprocess.Popen[bytes]]) -> Callable[..., subprocess.Popen[str]]:
    """Starts `ablate` and does not wait; its workers are forks too."""
    return functools.partial(start_forked, cwd=tmp_path)


def epochs_recorded(runs: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in runs.glob("*/epochs.jsonl"))


def results(runs: Path) -> dict[str, list[dict[str, float]]]:
    """Everything recorded but the times."""
    times = ("train_seconds", "test_seconds")
    return {
        path.parent.name: [{k: v for k, v in row.items() if k not in times} for row in read_epochs(path.parent)]
        for path in runs.glob("*/result.json")
    }


LIBRARY = """
import ablate
experiment = ablate.load_study("tiny.yaml")
options = ablate.RunOptions(slots=1)
print(len(experiment.plan()["variants"]), experiment.run(options).trained)
print(experiment.results().test_error.notna().sum())
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a reader's script has run the tiny study, by a worker process, and what it printed."""
    path = tmp_path_factory.mktemp("whole")
    (path / "tiny.yaml").write_text(TINY)
    with open(path / "out", "w") as out:
        subprocess.run([sys.executable, "-c", LIBRARY], cwd=path, stdout=out, check=True)
    return path


@pytest.mark.usefixtures("unrendered")
def test_run_report_and_run_again(ablate: Command, tiny: Path, tmp_path: Path, whole: Path) -> None:
    shutil.copytree(whole / "runs", tmp_path / "runs")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*") if path.is_file()}
    again = ablate("run", tiny)
    assert again.returncode == 0 and again.stdout == "" and "4 trials: 0 trained, 4 recorded before" in again.stderr
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*") if path.is_file()}

    report = ablate("report", tiny)
    assert report.returncode == 0 and "| Network" in report.stdout
    assert (tmp_path / "reports" / "tiny" / "curves.svg").exists() and "reports/tiny" in report.stderr
    made = json.loads(ablate("report", tiny, "--json").stdout)
    assert made["study"] == "tiny"
    assert [(s["net"], s["n"], s["seeds"]) for s in made["summaries"]] == [
        ("WRN-10-0.25-dropout0.3", 2, [0, 1]),
        ("WRN-10-0.25-B(3,1)", 2, [0, 1]),
    ]
    for summary in made["summaries"]:
        assert summary["median_test_error"] == pytest.approx(sum(summary["test_errors"]) / 2)
        assert summary["min"] == min(summary["test_errors"]) and summary["max"] == max(summary["test_errors"])

    planned = json.loads(ablate("plan", tiny, "--json").stdout)
    assert {trial["state"] for variant in planned["variants"] for trial in variant["trials"]} == {"recorded"}
    # Another study with the same trials has nothing to train; one more seed is one more trial a variant.
    more = ablate("run", tiny, "-s", "name=other", "-s", "seeds=3")
    assert more.returncode == 0 and "6 trials: 2 trained, 4 recorded before" in more.stderr


def test_plan_before_any_run(ablate: Command, tiny: Path, tmp_path: Path) -> None:
    planned = json.loads(ablate("plan", tiny, "--json").stdout)
    assert planned["study"] == "tiny"
    variant = planned["variants"][1]
    assert (variant["net"], variant["blocks_per_group"]) == ("WRN-10-0.25-B(3,1)", 1)
    assert variant["parameters"] > 0 and variant["multiply_adds"] > 0
    assert [(trial["seed"], trial["state"]) for trial in variant["trials"]] == [(0, "missing"), (1, "missing")]
    assert "4 trials: 4 missing" in ablate("plan", tiny).stdout
    assert not (tmp_path / "runs").exists()


def test_values_of_axes_are_shown_in_the_words_of_yaml(ablate: Command, tmp_path: Path) -> None:
    grids = (
        "[{grid: {net: NIN, recipe.schedule: [step]}}, {grid: {net: NIN, recipe.schedule: [one_cycle], {}: [true, false]}}]"
    )
    (tmp_path / "axes.yaml").write_text(
        f"name: axes\ndata: digits\nrecipe: wrn_cifar\nseeds: 0\nvariants: {grids.replace('{}', 'recipe.cycle_momentum')}\n"
    )
    rows = [[cell.strip() for cell in line.split("|")] for line in ablate("plan", "axes.yaml").stdout.splitlines()[2:5]]
    assert [row[2:4] for row in rows] == [["step", "–"], ["one_cycle", "true"], ["one_cycle", "false"]]
    counts = ablate("report", "axes.yaml").stdout
    assert not {"None", "True", "False"} & set(counts.replace("|", " ").split())


def test_status_names_failures_with_cause_and_log(
    driver: Callable[..., subprocess.Popen[str]], ablate: Command, tiny: Path, tmp_path: Path
) -> None:
    ids = [trial.id for trial in load_study(tiny).trials()]
    for trial_id in ids:
        (tmp_path / "runs" / trial_id / "epochs.jsonl").mkdir(parents=True)  # nothing can be appended to a directory
    failed = driver("run", tiny, "--slots", 1)
    said = failed.communicate(timeout=120)[0]
    assert failed.returncode == 3 and "4 open" in said and f"{ids[0]}/log.txt" in said
    status = json.loads(ablate("status", tiny, "--json").stdout)
    assert status["states"] == {"failed": 4}
    assert "is a directory" in status["trials"][0]["cause"] and Path(tmp_path, status["trials"][0]["log"]).exists()
    for trial_id in ids:
        (tmp_path / "runs" / trial_id / "epochs.jsonl").rmdir()
    assert ablate("run", tiny, "--quiet").stderr == ""
    assert json.loads(ablate("status", tiny, "--json").stdout)["states"] == {"recorded": 4}


@pytest.mark.usefixtures("unrendered")
def test_divergence_is_exit_3_and_not_tried_again(ablate: Command, tiny: Path) -> None:
    words = (tiny, "-s", "recipe.lr=100", "-s", "recipe.weight_decay=10", "-s", "seeds=1")
    first = ablate("run", *words)
    assert first.returncode == 3 and "diverged: WRN-10-0.25-B(3,1) seed 0: diverged within" in first.stderr
    again = ablate("run", *words)
    assert again.returncode == 3 and "0 trained, 2 recorded before" in again.stderr
    summaries = json.loads(ablate("report", *words, "--json").stdout)["summaries"]
    assert [(s["n"], s["diverged"], s["median_test_error"]) for s in summaries] == [(1, [0], None)] * 2


LONG = ("-s", "recipe.epochs=6", "-s", "data.train_size=512")  # long enough to be killed at two moments


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, float]]]:
    """What the long study gives when nobody kills anything."""
    path = tmp_path_factory.mktemp("undisturbed")
    (path / "tiny.yaml").write_text(TINY)
    torch.set_num_threads(1)
    load_study(path / "tiny.yaml", LONG[1::2], runs=path / "runs").run(RunOptions(inline=True, quiet=True))
    return results(path / "runs")


def test_kill_the_driver_a_worker_and_run_again(
    driver: Callable[..., subprocess.Popen[str]], ablate: Command, tiny: Path, tmp_path: Path, undisturbed: dict
) -> None:
    """With both seeds of a network trained by one worker, they come out as each alone."""
    runs = tmp_path / "runs"
    running = driver("run", tiny, *LONG, "--cohort", 2, "--slots", 1)
    wait_for(lambda: epochs_recorded(runs) >= 4)
    workers = psutil.Process(running.pid).children(recursive=True)
    workers[0].kill()  # its trial goes on in a new worker
    wait_for(lambda: epochs_recorded(runs) >= 8)
    workers = psutil.Process(running.pid).children(recursive=True)
    running.kill()
    gone, alive = psutil.wait_procs(workers, timeout=20)
    assert gone and not alive
    running.communicate()
    again = ablate("run", tiny, *LONG)
    assert again.returncode == 0, again.stderr
    assert results(runs) == undisturbed


def test_two_drivers_never_train_the_same_trial(
    driver: Callable[..., subprocess.Popen[str]], tiny: Path, tmp_path: Path, undisturbed: dict
) -> None:
    runs = tmp_path / "runs"
    running = driver("run", tiny, *LONG, "--slots", 1)
    wait_for(lambda: epochs_recorded(runs) >= 1)
    first = [psutil.Process(running.pid), *psutil.Process(running.pid).children(recursive=True)]
    for process in first:
        process.suspend()  # until the other has trained a trial
    done = len([*runs.glob("*/result.json")])

    def go_on() -> None:
        wait_for(lambda: len([*runs.glob("*/result.json")]) > done)
        for process in first:
            process.resume()

    with ThreadPoolExecutor() as pool:
        pool.submit(go_on)
        other = load_study(tiny, LONG[1::2], runs=runs).run(RunOptions(inline=True, quiet=True))
    said = running.communicate(timeout=300)[0]
    assert (running.returncode, other.exit_code) == (0, 0), said
    assert other.trained and int(said.split(" trained")[0].split()[-1]) + other.trained == 4, said
    assert results(runs) == undisturbed


@pytest.mark.usefixtures("unrendered")
def test_two_shards_merged_report_as_one_run(ablate: Command, tiny: Path, tmp_path: Path, whole: Path) -> None:
    for part in (1, 2):
        done = ablate("run", tiny, "--runs", f"part {part}", "--shard", f"{part}/2")
        assert done.returncode == 0 and f"shard {part} of 2: 2 trials: 2 trained, 0 recorded before" in done.stderr
    assert ablate("merge", "part 1", "part 2", "--into", "runs").returncode == 0
    again = ablate("run", tiny, "--shard", "2/2")
    assert "shard 2 of 2: 2 trials: 0 trained, 2 recorded before" in again.stderr
    for path in (whole, tmp_path):
        assert ablate("report", tiny, "--runs", path / "runs", "--out", path / "reports").returncode == 0
    tables = [path / "reports" / "tiny" / "table.csv" for path in (whole, tmp_path)]
    assert tables[0].read_bytes() == tables[1].read_bytes()
    nothing = ablate("run", tiny, "--runs", "part 9", "--shard", "9/9")
    assert nothing.returncode == 0 and "shard 9 of 9: 0 trials: 0 trained" in nothing.stderr


def test_ctrl_c_keeps_the_epochs_and_stops(
    driver: Callable[..., subprocess.Popen[str]], tiny: Path, tmp_path: Path
) -> None:
    """As the signals that preempt do; see tests/faults/test_run.py."""
    running = driver("run", tiny, *LONG, "-s", "recipe.epochs=4000", "--slots", 1)
    wait_for(lambda: epochs_recorded(tmp_path / "runs") >= 4)
    running.send_signal(signal.SIGINT)
    said = running.communicate(timeout=30)[0]
    assert running.returncode == 130, said
    assert "4 open" in said and "Traceback" not in said
    for directory in (tmp_path / "runs").iterdir():
        if rows := read_epochs(directory):
            assert (directory / f"checkpoint-{len(rows):06d}.pt").exists()
            assert read_record(tmp_path / "runs", directory.name) is None


EARLY = """
import os, sys, time
from ablate.commands import cli
@cli.app.command()
def begin():
    os.kill(os.getpid(), NUMBER)
    time.sleep(60)
sys.argv = ["ablate", "begin"]
cli.main()
"""


def test_a_preemption_before_anything_has_begun_is_one_too() -> None:
    code = EARLY.replace("NUMBER", str(int(signal.SIGTERM)))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (75, "", "")


IMPORTING = """
import builtins, os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
load = builtins.__import__
class Ending:
    def __del__(self):  # where Python prints an exception and goes on
        os.kill(os.getpid(), NUMBER)
def interrupted(name, *more):
    if name == "typer":
        Ending()
    return load(name, *more)
builtins.__import__ = interrupted
from ablate.__main__ import main
sys.argv = ["ablate", "schema"]
main()
"""


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [(signal.SIGINT, 130, "error: interrupted\n"), (signal.SIGTERM, 75, ""), (signal.SIGUSR1, 75, "")],
)
def test_a_signal_while_the_command_is_imported_is_no_traceback(number: int, code: int, said: str) -> None:
    line = [sys.executable, "-c", IMPORTING.replace("NUMBER", str(int(number)))]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", said)


def test_the_entry_point_imports_nothing_where_ctrl_c_is_not_caught_yet() -> None:
    code = "import sys; known = {*sys.modules}; import ablate.__main__; print(*sorted({*sys.modules} - known))"
    line = [sys.executable, "-S", "-c", code]  # without what an installation imports when Python starts
    done = subprocess.run(line, cwd=Path(ablate_package.__file__).parents[1], capture_output=True, text=True, check=True)
    assert {*done.stdout.split()} <= {"__future__", "ablate", "ablate.__main__"}


def test_two_ctrl_c_stop_now(driver: Callable[..., subprocess.Popen[str]], tiny: Path, tmp_path: Path) -> None:
    words = ("-s", "recipe.epochs=1", "-s", "data.train_size=1297", "-s", "recipe.batch_size=1", "-s", "seeds=1")
    words += ("-s", "variants=[{net: WRN-16-4}]", "-s", "baseline=null")  # an epoch takes longer than the test
    running = driver("run", tiny, *words, "--checkpoint-every", "60s", "--slots", 1)
    wait_for(lambda: list((tmp_path / "runs").glob("*/lock")))
    time.sleep(1)
    begun = time.monotonic()
    running.send_signal(signal.SIGINT)
    time.sleep(0.3)
    running.send_signal(signal.SIGINT)
    assert "Ctrl-C again" in running.communicate(timeout=20)[0]
    assert running.returncode == 130 and time.monotonic() - begun < 20 and not epochs_recorded(tmp_path / "runs")


def test_the_package_is_run_as_the_command(ablate: Command, tmp_path: Path) -> None:
    for words in (("show", "NIN"), ("plan", "nowhere.yaml")):
        line = [sys.executable, "-m", "ablate", *words]
        module, script = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True), ablate(*words)
        assert (module.returncode, module.stdout, module.stderr) == (script.returncode, script.stdout, script.stderr)


def test_what_does_not_train_does_not_import_torch(whole: Path) -> None:
    lines = "--help", "run tiny.yaml", "plan tiny.yaml", "status tiny.yaml", "show WRN-28-10", "schema"
    assert heavy_imports(*lines, cwd=whole) == [f"after: {line} 0 []" for line in lines]


def test_a_directory_that_is_not_there_is_named(ablate: Command, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    for command in ("run", "status"):
        refused = ablate(command, tiny, "--runs", "link")
        assert (refused.returncode, refused.stderr) == (2, "error: --runs: link is not a directory\n")
    gone = tmp_path / "gone"
    gone.mkdir()
    words = command_line("plan", "../tiny.yaml")
    code = f"import os; os.chdir({str(gone)!r}); os.rmdir({str(gone)!r}); os.execv({words[0]!r}, {words!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "error: the current directory: No such file or directory\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "nowhere.yaml"), "nowhere.yaml: No such file"),
        (("plan", "TINY", "-s", "seed=3"), "override: unknown key 'seed'; did you mean 'seeds'?"),
        (("run", "TINY", "--device", "tpu"), "--device: found 'tpu'; allowed: auto, cpu, cuda"),
        (("run", "TINY", "--checkpoint-every", "5m"), "--checkpoint-every: found '5m'"),
        (("run", "TINY", "--cohort", "0"), "--cohort: found '0'; allowed: auto"),
        (("run", "TINY", "--shard", "9/8"), "--shard: found '9/8'; allowed: I/N with I from 1 to N"),
        (("run", "TINY", "-s", "data=cifar10", "--data-root", "nowhere"), "cifar10: cifar-10-batches-py not found in"),
        (("run", "TINY", "--runs", "tiny.yaml"), "--runs: tiny.yaml is not a directory"),
        (("report", "TINY", "--out", "tiny.yaml"), "--out: tiny.yaml/tiny cannot be a directory"),
        (("show", "WRN-28"), "network 'WRN-28'"),
        (("show", "WRN-27-1"), "nearest: 22 and 28"),
        (("fly",), "No such command 'fly'"),
        (("run",), "Missing argument"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tiny.parent)
    monkeypatch.setattr(sys, "argv", ["ablate", *("tiny.yaml" if word == "TINY" else word for word in words)])
    with pytest.raises(SystemExit) as end:
        main()
    out, err = capsys.readouterr()
    assert end.value.code == 2 and out == ""
    assert said in err and "Traceback" not in err
    if "Usage:" not in err:
        assert err.startswith("error: ") and err.count("\n") == 1


def test_show_prints_the_network(ablate: Command) -> None:
    shown = json.loads(ablate("show", "WRN-40-2-B(1,3,1)", "--depth-rule", "nominal", "--json").stdout)
    assert (shown["parameters"], shown["blocks_per_group"], shown["nominal_depth"], shown["depth"]) == (1429082, 6, 40, 58)
    text = ablate("show", "WRN-28-10").stdout
    assert "36,479,194" in text and "5.24 G" in text and "conv4" in text


def test_schema_and_version(ablate: Command) -> None:
    assert json.loads(ablate("schema").stdout)["properties"].keys() >= {"name", "data", "recipe", "seeds", "variants"}
    assert ablate("--version").stdout.startswith("ablate ")


def test_a_closed_pipe_is_no_error(tiny: Path, tmp_path: Path) -> None:
    line = f"{shlex.join(command_line('plan', tiny, '--json'))} | head -c 1"
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "{" and done.stderr == ""


def test_the_library_runs_and_reports(whole: Path) -> None:
    assert (whole / "out").read_text() == "2 4\n4\n" and len(results(whole / "runs")) == 4


FOLDER = """\
name: folder
data: {name: image_folder, root: images, title: Squares, classes: 2, image_size: 8}
recipe: {base: wrn_cifar, epochs: 1, batch_size: 8}
seeds: 1
variants: [{net: WRN-10-0.25}]
"""


def test_an_image_folder_and_what_can_be_wrong_with_it(ablate: Command, tmp_path: Path) -> None:
    study = tmp_path / "folder.yaml"
    study.write_text(FOLDER)
    missing = ablate("run", study)
    assert missing.returncode == 2 and str(tmp_path / "images") in missing.stderr

    draw = np.random.RandomState(0)
    for part in ("train", "test"):
        for name in ("dark", "light"):
            (tmp_path / "images" / part / name).mkdir(parents=True)
            for i in range(8):
                pixels = draw.randint(0, 128, (8, 8, 3), np.uint8) + 127 * (name == "light")
                Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "images" / part / name / f"{i}.png")
    for change, said in (
        ("data.train_size=99", "data.train_size: found 99; there are 16"),
        ("data.classes=3", "data.classes: the study says 3; the training images have 2"),
        ("recipe.batch_size=17", "recipe.batch_size: 17 of 16 images leaves no batch"),
        ("data.digest=0123456789abcdef", "data.digest: the study says 0123456789abcdef"),
    ):
        refused = ablate("run", study, "-s", change)
        assert refused.returncode == 2 and said in refused.stderr and "Traceback" not in refused.stderr
    assert not (tmp_path / "runs").exists()

    assert ablate("run", study).returncode == 0
    assert ablate("run", study).returncode == 0
    Image.new("RGB", (8, 8)).save(tmp_path / "images" / "train" / "light" / "0.png")
    for more in ((), ("-s", "seeds=2")):
        changed = ablate("run", study, *more)
        assert changed.returncode == 2 and "recorded on images of digest" in changed.stderr
    assert ablate("run", study, "-s", "data.title=Other squares").returncode == 0


def test_in_one_process_the_results_are_the_same(tiny: Path, tmp_path: Path, whole: Path) -> None:
    torch.set_num_threads(1)
    assert load_study(tiny, runs=tmp_path / "inline").run(RunOptions(inline=True, quiet=True)).trained == 4
    assert results(tmp_path / "inline") == results(whole / "runs")
