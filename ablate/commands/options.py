"""The options that commands share, and what they print with: data to stdout, messages to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import typer

from ablate.errors import allowed, printable
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


def print_json(value: Any) -> None:
    import orjson

    try:
        print(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
    except orjson.JSONEncodeError:  # the name of a file that is no Unicode text
        print(json.dumps(value, indent=2))


def say(*texts: str) -> None:
    for text in texts:
        print("\n".join(map(printable, text.split("\n"))), file=sys.stderr)


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
