"""The speed of ablate, side by side with other ways of doing the same, as ratios. From the root of a checkout:

python -m tests.benchmarks train | cohort | efficiency | writing | dispatch | plan | report
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal, Optional, get_args

import typer

from ablate.commands.options import Json, print_json, say
from ablate.errors import AblateError, RunError

Name = Literal["train", "cohort", "efficiency", "writing", "dispatch", "plan", "report"]
TRAINS = {"train": 128, "cohort": 128, "efficiency": 32, "writing": 128}  # the benchmarks that train, and their batch size
OUT = Path("reports/bench")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command(no_args_is_help=True)
def benchmark(
    name: Annotated[Name, typer.Argument(metavar="NAME", help=f"One of {', '.join(get_args(Name))}.")],
    nets: Annotated[Optional[list[str]], typer.Argument(metavar="[NET]...", help=f"For {', '.join(TRAINS)}.")] = None,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option("--device")] = "auto",
    batch_size: Annotated[
        Optional[int], typer.Option("--batch-size", min=1, max=65536, help="128; efficiency: 32.")
    ] = None,
    images: Annotated[Optional[int], typer.Option("--images", min=1, help="That a process trains on in a round.")] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=2, max=100, help="Of cohort.")] = 5,
    compiled: Annotated[bool, typer.Option("--compiled", help="train: with compiled blocks too; always on a GPU.")] = False,
    trials: Annotated[Optional[int], typer.Option("--trials", min=5, help="Of dispatch (200) and report (10,000).")] = None,
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
    if trials and name in ("dispatch", "report"):
        options["trials"] = trials
    match name:
        case "train":
            from tests.benchmarks.training import bench_train

            comparisons = bench_train(**options, compiled=compiled)
        case "cohort":
            from tests.benchmarks.training import bench_cohort

            comparisons = bench_cohort(**options, seeds=seeds)
        case "efficiency":
            from tests.benchmarks.training import bench_efficiency

            comparisons = bench_efficiency(**options)
        case "writing":
            from tests.benchmarks.training import bench_writing

            comparisons = bench_writing(**options)
        case "dispatch":
            from tests.benchmarks.dispatch import bench_dispatch

            comparisons = bench_dispatch(**options)
        case "plan":
            from tests.benchmarks.planning import bench_plan

            comparisons = bench_plan(variants, **options)
        case "report":
            from tests.benchmarks.reporting import bench_report

            comparisons = bench_report(**options)
    from tests.benchmarks.workers import made_with  # imports torch, which the memory of worker processes would include

    made, kind = made_with(device if name in TRAINS else "cpu")
    paths = write_benchmark(name, comparisons, made, kind, out)
    print_json([one.as_json() for one in comparisons]) if as_json else print(comparisons_text(comparisons))
    say(f"{len(paths)} files in {out}: {', '.join(path.name for path in paths)}")


if __name__ == "__main__":
    try:
        app()
    except AblateError as error:
        say(f"error: {error}")
        sys.exit(2)
