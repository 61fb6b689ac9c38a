"""Everything that runs only on CUDA, most valuable first, and a page of figures to send. From the root of a checkout:

python -m tests.gpu                             # on a machine with a GPU; nine minutes at most
python -m tests.gpu --device cpu                # a rehearsal: the same commands, tiny
python -m tests.gpu --only speed,probe          # some parts
python -m tests.gpu --collect DIR               # wheels for a machine that has torch, but neither the rest nor a network
python -m tests.gpu --wheels DIR                # there

Each part has a limit of its own and the whole a deadline: a part that fails or hangs costs nothing but itself. page.md in
--out has the figures, the machine and how each part ended; log.txt all output. The exit code is 1 if a part failed.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import IO, Any, NamedTuple

from tests.gpu.figures import FILE, read
from tests.gpu.parts import PARTS, Part, Setting, write_images, write_studies

SECONDS, LEAST = 530, 12  # of all parts together, and with less left no part begins
REHEARSED = 6  # times as long as on a GPU a rehearsal may take
ROOT = Path(__file__).parents[2]
EPOCH = 50_000  # images
# What a machine with torch and the usual packages of data science lacks; the versions are those that are installed here.
COLLECTED = (
    *("optuna", "cmaes", "pydantic", "pydantic_core", "annotated-types", "typing-inspection", "ruamel.yaml", "orjson"),
    *(
        "alembic",
        "SQLAlchemy",
        "Mako",
        "greenlet",
        "colorlog",
        "filelock",
        "psutil",
        "typer",
        "safetensors",
        "threadpoolctl",
    ),
)


class Ended(NamedTuple):
    """How a part ended: "ok", "FAILED" with a code, "TIME OUT" or "not begun", and its seconds."""

    name: str
    how: str
    seconds: float


def run_parts(parts: Mapping[str, Part], setting: Setting, seconds: float, log: IO[bytes]) -> list[Ended]:
    """Run parts one after the other, each in a process group of its own, and return how each ended."""
    ended, begun = [], time.monotonic()
    for name, part in parts.items():
        left = seconds - (time.monotonic() - begun)
        if left < LEAST:
            ended.append(Ended(name, "not begun", 0.0))
            continue
        limit = min(left, part.seconds * setting.of(1, REHEARSED))
        print(f"{name}: at most {limit:.0f} s", flush=True)
        log.write(f"\n=== {name}, {left:.0f} s left; look for: {part.look}\n".encode())
        log.flush()
        begin = time.monotonic()
        command = [sys.executable, "-m", "tests.gpu.parts", name, setting.device]
        how = _run(command, _environment(setting), limit, log)
        ended.append(Ended(name, how, time.monotonic() - begin))
        print(f"{name}: {how}, {ended[-1].seconds:.0f} s", flush=True)
    return ended


def _run(command: Sequence[str], environment: Mapping[str, str], seconds: float, log: IO[bytes]) -> str:
    """Run a command with its output in a log and return how it ended; all its processes end with it."""
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        code = process.wait(seconds)
        return "ok" if code == 0 else f"FAILED ({code})"
    except subprocess.TimeoutExpired:
        return "TIME OUT"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _environment(setting: Setting) -> dict[str, str]:
    about = {"GPU_WORK": str(setting.folder), "GPU_OUT": str(setting.out), "PYTHONUNBUFFERED": "1"}
    about |= {"ABLATE_CACHE": str(setting.folder / "cache"), "TORCHINDUCTOR_CACHE_DIR": str(setting.folder / "inductor")}
    return {**os.environ, **about, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}


def machine(device: str) -> list[str]:
    """The GPU, its driver, and the versions of torch, CUDA and cuDNN."""
    import torch

    lines = [f"torch {torch.__version__}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"]
    lines.append(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores")
    if device == "cuda":
        asked = "--query-gpu=name,driver_version,memory.used,memory.total,compute_cap"
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            told = subprocess.run(
                ["nvidia-smi", asked, "--format=csv,noheader"], capture_output=True, text=True, timeout=20
            )
            lines[:0] = told.stdout.strip().splitlines()
    return lines


def ratios(figures: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(what, measured, goal) of each goal of which there are figures."""

    def of(name: str, key: str) -> float:
        """NaN if there is no such figure."""
        found = figures.get(name)
        return float(found[key]) if isinstance(found, dict) and found.get(key) else math.nan

    thin, wide = "speed WRN-16-2 bfloat16", "speed WRN-28-10 bfloat16 graph x1"
    plain, one, eight = (of(f"{thin} {way}", "images/s") for way in ("plain", "graph x1", "graph x8"))
    together = of(f"{thin} graph x5", "ms") / of(f"{thin} graph x1", "ms")
    recomputed = of('memory WRN-40-10 {"checkpoint_activations": "blocks"} x1', "reserved")
    goals = [
        ("WRN-16-2 in a graph, times step by step", one / plain, "at least 4"),
        ("five seeds together, times one", together, "at most 2"),
        ("eight seeds together, times trial after trial step by step", eight / plain, "at least 8"),
        ("WRN-28-10, seconds an epoch of training", EPOCH / of(wide, "images/s"), "at most 5"),
        ("WRN-40-10 with recomputed blocks, MiB", recomputed, "at most 4,096"),
    ]
    return [(what, f"{value:,.2f}", goal) for what, value, goal in goals if not math.isnan(value)]


def page(setting: Setting, ended: Sequence[Ended], about: Sequence[str], seconds: float) -> str:
    """The figures, in Markdown."""
    figures = read(setting.out)
    lines = [f"# ablate on {'a GPU' if setting.gpu else 'a CPU: a rehearsal'}, {seconds:.0f} s", "", *about, ""]
    lines += ["| part | ended | s | look for |", "| --- | --- | ---: | --- |"]
    lines += [f"| {name} | {how} | {took:.0f} | {PARTS[name].look} |" for name, how, took in ended]
    if reached := ratios(figures):
        lines += ["", "| goal | measured | wanted |", "| --- | ---: | --- |"]
        lines += [f"| {what} | {measured} | {wanted} |" for what, measured, wanted in reached]
    wrong = {name: value for name, value in figures.items() if "FAILED" in str(value) or "False" in str(value)}
    lines += ["", "## Not as it should be", "", *(f"- {name}: {value}" for name, value in wrong.items())] if wrong else []
    lines += ["", "## All figures", "", *(f"- {name}: {value}" for name, value in figures.items())]
    made = time.time() - seconds - 1  # an earlier call's are left out
    benchmarks = sorted(path for path in (setting.out / "bench").glob("*.md") if path.stat().st_mtime > made)
    return "\n".join([*lines, *(f"\n{path.read_text()}" for path in benchmarks), ""])


def collect(folder: Path) -> None:
    """Download the wheels that a machine with torch lacks, in the versions that are installed here."""
    versions = [f"{name}=={metadata.version(name)}" for name in COLLECTED]
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", str(folder)]
    subprocess.run([*pip, *versions], check=True)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--only", metavar="PARTS", help=", ".join(PARTS))
    parser.add_argument("--seconds", type=float, help=f"of all parts together: {SECONDS}")
    parser.add_argument("--out", type=Path, default=Path("gpu_figures"), metavar="DIR")
    parser.add_argument("--collect", type=Path, metavar="DIR")
    parser.add_argument("--wheels", type=Path, metavar="DIR")
    asked = parser.parse_args(arguments)
    if asked.collect:
        collect(asked.collect)
        return 0
    names = asked.only.split(",") if asked.only else list(PARTS)
    if unknown := [name for name in names if name not in PARTS]:
        parser.error(f"--only: found {unknown[0]}; allowed: {', '.join(PARTS)}")
    seconds = asked.seconds or SECONDS * (REHEARSED if asked.device == "cpu" else 1)
    begun, out = time.monotonic(), asked.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    (out / FILE).unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="ablate-gpu-") as folder, open(out / "log.txt", "wb") as log:
        if asked.wheels:
            site = str(Path(folder) / "site")
            pip = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--target", site]
            subprocess.run([*pip, *map(str, asked.wheels.glob("*.whl"))], check=True)
            sys.path.insert(0, site)
        about = machine(asked.device)
        print("\n".join(about), flush=True)
        setting = Setting(asked.device, Path(folder), out)
        write_images(setting)
        write_studies(setting)
        ended: list[Ended] = []
        try:
            ended = run_parts({name: PARTS[name] for name in names}, setting, seconds, log)
        finally:
            (out / "page.md").write_text(page(setting, ended, about, time.monotonic() - begun))
    print(f"{out / 'page.md'} has the figures, {out / 'log.txt'} the output")
    return int(any(one.how != "ok" for one in ended))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
