"""The fuzzer: `python -m tests.hostile.fuzz --minutes M [TARGET ...]`, for each target, guided by coverage (atheris).

pip install -e '.[dev,fuzz]'. An input that is a finding is written to --out, and its traceback is printed; the exit code
is 1 then. Each target is a process of its own, since a finding ends it.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
MEMORY = 3000  # megabytes of a process
INSTRUMENTED = ["ablate", "ruamel"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--minutes", type=float, default=1.0, help="of each target")
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "ablate-fuzz")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        fuzz(options.targets[0], options.minutes, options.out)
    sys.path.insert(0, str(HERE.parent))
    from hostile.targets import TARGETS

    findings = 0
    for name in options.targets or TARGETS:
        words = [sys.executable, "-m", "tests.hostile.fuzz", "--child", name]
        words += ["--minutes", str(options.minutes), "--out", str(options.out)]
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", cwd=HERE.parent.parent)
        text = done.stdout + done.stderr
        executions = re.findall(r"^#(\d+)", text, re.MULTILINE)
        print(f"{name}: {int(executions[-1]) if executions else 0:,} executions", flush=True)
        if done.returncode:
            findings += 1
            print(text[-6000:], flush=True)
    sys.exit(1 if findings else 0)


def fuzz(name: str, minutes: float, out: Path) -> None:
    """Fuzzes one target; does not return."""
    import atheris

    sys.path.insert(0, str(HERE.parent))
    with atheris.instrument_imports(include=INSTRUMENTED):
        import ruamel.yaml  # noqa: F401
        from hostile.targets import TARGETS
        from hostile.watch import attempt
    target = TARGETS[name]
    work, corpus = out / name / "work", out / name / "corpus"
    shutil.rmtree(work, ignore_errors=True)  # of the last time: atheris ends the process
    work.mkdir(parents=True)
    tempfile.tempdir = str(work.resolve())
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
    folder = Path(tempfile.mkdtemp())

    def one(data: bytes) -> None:
        attempt(target.read, data, folder, memory=False)  # libFuzzer measures it

    settings = [f"-max_total_time={int(60 * minutes)}", f"-rss_limit_mb={MEMORY}", "-timeout=25", "-max_len=16384"]
    atheris.Setup([sys.argv[0], *settings, f"-artifact_prefix={out / name}/", str(corpus)], one)
    atheris.Fuzz()
    sys.exit(0)


if __name__ == "__main__":
    main()
