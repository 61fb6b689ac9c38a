"""The parts of `python -m tests.gpu`, most valuable first, and what each of them runs.

Most are commands as a reader types them, on a study of synthetic images of 32 pixels that fill a GPU.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from tests.gpu.figures import say

ROOT = Path(__file__).parents[2]
CLASSES = 10


class Setting(NamedTuple):
    """Where the parts run and how large they are.

    Args:
        device: "cuda", or "cpu" for a rehearsal.
        folder: For images, studies and records.
        out: For figures and benchmarks.
    """

    device: str
    folder: Path
    out: Path

    @property
    def gpu(self) -> bool:
        return self.device == "cuda"

    def of(self, on_gpu: Any, rehearsed: Any) -> Any:
        return on_gpu if self.gpu else rehearsed


class Part(NamedTuple):
    """A part.

    Args:
        seconds: That it may take.
        run: Does it; raises an error if it fails.
        look: What to look for in its output.
    """

    seconds: int
    run: Callable[[Setting], None]
    look: str


def ablate(setting: Setting, *arguments: str) -> None:
    """Run a command of ablate on the device."""
    run("ablate", *arguments, "--device", setting.device)


def run(module: str, *arguments: str) -> None:
    """Run a module of Python with its output in ours.

    Raises:
        subprocess.CalledProcessError: It fails.
    """
    print(f"$ {module} {' '.join(arguments)}", flush=True)
    subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, check=True)


def write_images(setting: Setting) -> None:
    """A folder of images, 10,000 and 2,500 on a GPU: each class is a random image, each image that with noise."""
    root, count = setting.folder / "images", setting.of(1000, 8)
    means = np.random.default_rng(0).integers(60, 190, (CLASSES, 32, 32, 3))

    def write(job: tuple[str, int, int]) -> None:
        part, label, images = job
        draws, folder = np.random.default_rng([label, images]), root / part / f"class{label}"
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(images):
            pixels = np.clip(means[label] + draws.normal(0, 60, (32, 32, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{number:05d}.png", compress_level=1)

    jobs = [(part, label, n) for part, n in (("train", count), ("test", max(2, count // 4))) for label in range(CLASSES)]
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(write, jobs))


def write_studies(setting: Setting) -> None:
    """The studies: with dropout in graphs, in bfloat16 and float32, three seeds, the rate drops; and a search."""
    data = {
        "name": "image_folder",
        "root": str(setting.folder / "images"),
        "title": "Synthetic",
        "classes": CLASSES,
        "image_size": 32,
    }
    net = setting.of("WRN-10-1", "WRN-10-0.25")
    recipe = {"base": "wrn_cifar", "epochs": setting.of(12, 2), "batch_size": setting.of(128, 8), "milestones": [0.4, 0.8]}
    study = {"name": "whole", "data": data, "recipe": recipe, "seeds": 3}
    study["variants"] = [{"net": f"{net}-dropout0.3", "recipe": {**recipe, "precision": "bfloat16"}}, {"net": net}]
    space = {"dropout": {"low": 0, "high": 0.6, "step": 0.05}}
    search = {"space": space, "validation": {"folds": 2}, "trials": setting.of(4, 1), "sampler": "random", "pruner": "none"}
    find = {"name": "find", "data": {**data, "train_size": setting.of(4000, 40)}, "base": net, "search": search}
    find["recipe"] = {**recipe, "epochs": setting.of(4, 1), "milestones": [0.5]}
    for one in (study, find):
        (setting.folder / f"{one['name']}.yaml").write_text(json.dumps(one))


def rows(runs: Path) -> dict[str, list[dict[str, Any]]]:
    """The epochs of each trial, without the times."""
    lines = {path.parent.name: path.read_text().splitlines() for path in runs.glob("*/epochs.jsonl")}
    return {
        trial: [{key: value for key, value in json.loads(line).items() if "seconds" not in key} for line in of_one]
        for trial, of_one in lines.items()
    }


def compare(name: str, one: Path, other: Path) -> None:
    """Tell whether two directories of runs have the same trials with the same epochs, bit for bit."""
    first, second = rows(one), rows(other)
    differ = sorted(trial for trial in first.keys() | second.keys() if first.get(trial) != second.get(trial))
    say(name, {"trials": len(first), "equal": bool(first) and not differ, "differ": differ})
    assert first and not differ, f"{name}: trials differ"


def correctness(setting: Setting) -> None:
    run("tests.gpu.checks", "bits", "resume", "syncs", "--device", setting.device)


def killed(setting: Setting) -> None:
    """A run that is killed and goes on; the same run alone and step by step elsewhere; verify."""
    import psutil  # it may have been installed for this run alone

    study, (a, b) = str(setting.folder / "whole.yaml"), (setting.folder / name for name in "ab")
    command = [sys.executable, "-m", "ablate", "run", study, "--device", setting.device, "--runs", str(a)]
    driver = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    while driver.poll() is None and sum(map(len, rows(a).values())) < 4:
        time.sleep(0.1)
    workers = psutil.Process(driver.pid).children(recursive=True) if driver.poll() is None else []
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    say("killed: workers left after five seconds", len(psutil.wait_procs(workers, 5)[1]))
    ablate(setting, "run", study, "--runs", str(a))
    ablate(setting, "run", study, "--runs", str(b), "--cohort", "1")
    compare("killed and continued == alone", a, b)
    results = [json.loads(path.read_text()) for path in a.glob("*/result.json")]
    say("side by side", sorted(one["provenance"]["side_by_side"] for one in results))
    ablate(setting, "verify", study, "--runs", str(a), "--trials", "2")
    say("verify", "bit-equal")


def speed(setting: Setting) -> None:
    run("tests.gpu.checks", "speed", "--device", setting.device)


def precision_and_memory(setting: Setting) -> None:
    run("tests.gpu.checks", "memory", "precision", "--device", setting.device)


def tests(setting: Setting) -> None:
    """The tests that only a GPU runs; without one they are skipped."""
    files = ("tests/nets/test_gradients.py", "tests/train/test_side_by_side.py")
    run(
        "pytest",
        "-o",
        "addopts=",
        "-q",
        "--import-mode=importlib",
        "-p",
        "no:cacheprovider",
        *files,
        "-k",
        "cuda or gpu_too",
    )


def little_memory(setting: Setting) -> None:
    """A neighbour that leaves 2 GiB: a cohort of eight has to shrink; it must neither fail nor wait for ever."""
    study, runs = str(setting.folder / "whole.yaml"), setting.folder / "c"
    hog = (
        "import sys, time, torch; free = torch.cuda.mem_get_info()[0]; "
        "kept = torch.empty(max(0, free - 2 * 2**30), dtype=torch.uint8, device='cuda'); print('ready', flush=True); "
        "sys.stdin.read()"
    )
    neighbour = setting.gpu and subprocess.Popen(
        [sys.executable, "-c", hog], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        if neighbour:
            assert neighbour.stdout is not None and neighbour.stdout.readline() == "ready\n", "the neighbour has not begun"
        changes = ("-s", "recipe.epochs=1", "-s", f"seeds={setting.of(8, 2)}")
        net = setting.of("WRN-16-4", "WRN-10-0.25")
        ablate(setting, "run", study, "--runs", str(runs), *changes, "-s", f"variants=[{{net: {net}}}]")
    finally:
        if neighbour:
            neighbour.kill()
    results = [json.loads(path.read_text()) for path in runs.glob("*/result.json")]
    say("little memory: side by side", sorted(one["provenance"]["side_by_side"] for one in results))


def probe(setting: Setting) -> None:
    """The forecast, beside what part `speed` measured of the same networks."""
    study = setting.of(str(ROOT / "studies" / "efficiency.yaml"), str(setting.folder / "whole.yaml"))
    ablate(setting, "plan", study, "--probe", "--runs", str(setting.folder / "p"))
    from ablate.estimate.probing import probe_text
    from ablate.records.timings import read_probes

    for one in read_probes(setting.folder / "p"):
        memory = f"; {one.peak_memory_bytes / 2**20:,.0f} MiB" if one.peak_memory_bytes else ""
        say(f"probe {one.net} {one.workload.precision}", probe_text(one) + memory)


def benchmark_cohort(setting: Setting) -> None:
    size = ("--rounds", setting.of("2", "1"), "--images", setting.of("12800", "16"), "--batch-size", setting.of("128", "8"))
    net = setting.of("WRN-16-2", "WRN-10-0.25")
    run("tests.benchmarks", "cohort", net, "--device", setting.device, *size, "--out", str(setting.out / "bench"))


def benchmark_train(setting: Setting) -> None:
    size = ("--rounds", setting.of("2", "1"), "--images", setting.of("6400", "16"), "--batch-size", setting.of("128", "8"))
    nets = setting.of(("WRN-16-2", "WRN-28-10"), ("WRN-10-0.25",))
    run("tests.benchmarks", "train", *nets, "--device", setting.device, *size, "--out", str(setting.out / "bench"))


def search_and_slots(setting: Setting) -> None:
    """A search; and several slots on the GPU: contexts side by side, packing."""
    slots = setting.of(("--slots-per-gpu", "3"), ())
    ablate(setting, "search", str(setting.folder / "find.yaml"), *slots, "--runs", str(setting.folder / "s"))
    whole, (a, d) = str(setting.folder / "whole.yaml"), (setting.folder / name for name in "ad")
    ablate(setting, "run", whole, *slots, "--cohort", "1", "--runs", str(d))
    if rows(a):
        compare("three slots on the GPU == one", a, d)


def compiled(setting: Setting) -> None:
    changes = ("recipe.compile=always", "recipe.epochs=2", "seeds=2", "variants=[{net: WRN-10-1}]")
    if setting.gpu:
        study, runs = str(setting.folder / "whole.yaml"), str(setting.folder / "e")
        ablate(setting, "run", study, "--runs", runs, *(word for one in changes for word in ("-s", one)))


PARTS = {
    "correctness": Part(
        150, correctness, "plain == graph, graph == three, graphs [1, 1], equal, syncs none; nothing FAILED"
    ),
    "killed": Part(110, killed, "equal, bit-equal, no workers left, side by side 3"),
    "speed": Part(80, speed, "graph x1 against plain (goal 4), x5 against x1 in ms (goal at most 2)"),
    "precision_and_memory": Part(75, precision_and_memory, "reserved against estimated and of the device; no failed ones"),
    "tests": Part(60, tests, "passed, not skipped"),
    "little_memory": Part(60, little_memory, "all recorded; it neither fails nor waits for ever"),
    "probe": Part(60, probe, "the forecast against `speed`"),
    "benchmark_cohort": Part(50, benchmark_cohort, "together against one after the other"),
    "benchmark_train": Part(110, benchmark_train, "ablate against plain PyTorch (goal 4); shares of the limit below 1"),
    "search_and_slots": Part(50, search_and_slots, "equal"),
    "compiled": Part(60, compiled, "recorded"),
}


if __name__ == "__main__":
    PARTS[sys.argv[1]].run(Setting(sys.argv[2], Path(os.environ["GPU_WORK"]), Path(os.environ["GPU_OUT"])))
