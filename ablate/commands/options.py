"""The options that commands share, how their texts are read, and how commands print: data to stdout, messages to stderr."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import typer

from ablate.errors import RunError, allowed, printable
from ablate.registry import Registry

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help="A study file (YAML).", show_default=False)]
Set = Annotated[
    Optional[list[str]],
    typer.Option("-s", "--set", metavar="KEY=VALUE", help="Override a key of the study, such as recipe.epochs=30."),
]
Scale = Annotated[str, typer.Option("--scale", metavar="NAME", help="One of the study's scales, such as small.")]
Runs = Annotated[Path, typer.Option("--runs", metavar="DIR", help="Where records are.")]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Where reports are written.")]
Root = Annotated[
    Optional[Path],
    typer.Option("--data-root", metavar="DIR", help="Where images are, instead of data.root, $ABLATE_DATA or data/."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DepthRule = Annotated[Literal["convolutions", "nominal"], typer.Option("--depth-rule", help="How NET counts depth.")]
FamilyKey = Annotated[Optional[str], typer.Option("--family", help="The family NET is of, where two share its name.")]
ForImageNet = Annotated[bool, typer.Option("--imagenet", help="Read a name that two families share as ImageNet's.")]
Classes = Annotated[Optional[int], typer.Option("--classes", min=2, max=100_000, help="10, or 1000 for ImageNet's.")]
ImageSize = Annotated[
    Optional[int], typer.Option("--image-size", min=4, max=1024, help="Pixels, square: 32, or 224 for ImageNet's.")
]
Channels = Annotated[int, typer.Option("--channels", min=1, max=16)]
WEIGHTS = typer.Option("--weights", metavar="FILE", help="A state_dict or safetensors, by torchvision's names or ours.")
RUNS, OUT = Path("runs"), Path("reports")
MAX_GPUS = 1_000_000  # of a simulated run


def print_json(value: Any) -> None:
    import orjson

    try:
        print(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
    except orjson.JSONEncodeError:  # the name of a file that is no Unicode text
        print(json.dumps(value, indent=2))


def say(*texts: str) -> None:
    """Prints messages to stderr, with flags for parameters."""
    for text in texts:
        print("\n".join(map(printable, with_flags(text).split("\n"))), file=sys.stderr)


def with_flags(text: str) -> str:
    """A message of the library with flags for the parameters it names: `slots_per_gpu` becomes --slots-per-gpu."""
    return re.sub("`([a-z]+(?:_[a-z]+)*)`", lambda found: f"--{found[1].replace('_', '-')}", text)


def one_of(table: Registry[Any], suits: Callable[[Any], bool] = lambda entry: True) -> dict[str, Any]:
    """Arguments of typer.Option for an option that is one of the names in a table.

    Args:
        table: its names are the choices, also in the help and for the shell's completion.
        suits: which entries can be named.
    """

    def names() -> list[str]:
        return [name for name, entry in table.items() if suits(entry)]

    def parse(text: str) -> str:
        if text not in names():
            raise typer.BadParameter(f"found '{text}'; {allowed(text, names())}")
        return text

    shown = [name for name, entry in table.built_in.items() if suits(entry)]
    return {"parser": parse, "metavar": f"[{'|'.join(shown)}]", "autocompletion": names}


def parse_interval(text: str) -> tuple[int, float]:
    """(epochs, seconds) of "10" or "300s", the other one 0. Raises RunError."""
    match = re.fullmatch(r"(\d{1,6})(s?)", text.strip())
    if match is None or int(match[1]) < 1:
        raise RunError(f"--checkpoint-every: found '{text}'; allowed: epochs such as 10, or seconds such as 300s")
    return (0, float(match[1])) if match[2] else (int(match[1]), 0.0)


def parse_cohort(text: str) -> int | None:
    """5 of "5", None of "auto". Raises RunError."""
    if text == "auto":
        return None
    if not re.fullmatch(r"[1-9]\d{0,2}", text):
        raise RunError(f"--cohort: found '{text}'; allowed: auto, or a number of trials from 1")
    return int(text)


def parse_shard(text: str) -> tuple[int, int] | None:
    """(2, 8) of "2/8", None of "". Raises RunError."""
    if not text:
        return None
    match = re.fullmatch(r"([0-9]{1,7})/([0-9]{1,7})", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise RunError(f"--shard: found '{text}'; allowed: I/N with I from 1 to N")
    return int(match[1]), int(match[2])


def parse_gpus(text: str) -> tuple[int, ...]:
    """(1, 8, 512) of "1,8,512". Raises RunError."""
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(r"[0-9]{1,7}", part) and 1 <= int(part) <= MAX_GPUS for part in parts):
        raise RunError(f"--gpus: found '{text}'; allowed: numbers from 1 to {MAX_GPUS:,}, such as 1,8,512")
    return tuple(dict.fromkeys(map(int, parts)))
