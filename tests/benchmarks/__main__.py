"""The speed of ablate, side by side with other ways of doing the same, as ratios. From the root of a checkout:

python -m tests.benchmarks train | cohort | efficiency | writing | dispatch | search | plan | report
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import typer

from ablate.commands.options import Json, print_json, say
from ablate.errors import AblateError, RunError

BENCHMARKS = {
    "train": "training:bench_train",
    "cohort": "training:bench_cohort",
    "efficiency": "training:bench_efficiency",
    "writing": "training:bench_writing",
    "dispatch": "dispatch:bench_dispatch",
    "search": "searching:bench_search",
    "plan": "planning:bench_plan",
    "report": "reporting:bench_report",
}
TRAINS = {"train": 128, "cohort": 128, "efficiency": 32, "writing": 128}  # the benchmarks that train, and their batch size
OUT = Path("reports/bench")

HELP = {"help_option_names": ["-h", "--help"]}
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, context_settings=HELP)


@app.command(no_args_is_help=True)
def benchmark(
    name: Annotated[Literal[tuple(BENCHMARKS)], typer.Argument(metavar="NAME")],  # type: ignore[valid-type]
    nets: Annotated[Optional[list[str]], typer.Argument(metavar="[NET]...", help=f"For {', '.join(TRAINS)}.")] = None,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option("--device")] = "auto",
    batch_size: Annotated[
        Optional[int], typer.Option("--batch-size", min=1, max=65536, help="128; efficiency: 32.")
    ] = None,
    images: Annotated[Optional[int], typer.Option("--images", min=1, help="Training images per process and round.")] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=2, max=100, help="Of cohort.")] = 5,
    compiled: Annotated[bool, typer.Option("--compiled", help="train: with compiled blocks too; always on a GPU.")] = False,
    trials: Annotated[
        Optional[int], typer.Option("--trials", min=5, help="Of dispatch and search (200), of report (10,000).")
    ] = None,
    variants: Annotated[int, typer.Option("--variants", min=1, help="Of plan.")] = 100_000,
    rounds: Annotated[int, typer.Option("--rounds", min=1, max=1000)] = 5,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the results are written.")] = OUT,
    as_json: Json = False,
) -> None:
    """Measure speed side by side with other ways of doing the same, as ratios."""
    from tests.benchmarks.comparison import comparisons_text
    from tests.benchmarks.results import write_benchmark

    options: dict[str, Any] = {"rounds": rounds, "announce": say}
    if name in TRAINS:
        batch_size = batch_size or TRAINS[name]
        if images is not None and images < batch_size:
            raise RunError(f"--images {images} is less than a batch; use {batch_size} or more")
        options |= {"device": device, "batch_size": batch_size, "images": images}
        options |= {"nets": nets or ["WRN-16-2"]} if nets or name != "efficiency" else {}
    elif nets:
        raise RunError(f"{name} takes no network; leave {nets[0]} out")
    own = {"compiled": ("train", compiled), "seeds": ("cohort", seeds), "variants": ("plan", variants)}
    options |= {option: value for option, (of, value) in own.items() if name == of}
    options |= {"trials": trials} if trials and name in ("dispatch", "search", "report") else {}
    module, _, function = BENCHMARKS[name].partition(":")
    comparisons = getattr(importlib.import_module(f"tests.benchmarks.{module}"), function)(**options)
    from tests.benchmarks.workers import made_with  # imports torch, which the memory of worker processes would include

    made, kind = made_with(device if name in TRAINS else "cpu")
    paths = write_benchmark(name, comparisons, made, kind, out)
    print_json([one.as_json() for one in comparisons]) if as_json else print(comparisons_text(comparisons))
    say(f"{len(paths)} files in {out}: {', '.join(path.name for path in paths)}")


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[1]))  # as pytest does for the modules that tests share
    try:
        app()
    except AblateError as error:
        say(f"error: {error}")
        sys.exit(2)
