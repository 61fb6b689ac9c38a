"""The options that commands share, the parsing of their texts, and printing: data to stdout, messages to stderr."""

from __future__ import annotations

import json
import re
import shutil
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from ablate.errors import allowed, printable
from ablate.registry import Registry


def parse_path(text: str | Path) -> Path:
    """A path of the command line.

    Args:
        text: Must not be empty, as that of a shell variable that is not set: it would mean the current directory.

    Raises:
        typer.BadParameter: The text is empty.
    """
    if not str(text):
        raise typer.BadParameter("found ''; allowed: a path")
    return Path(text)


StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help="A study file (YAML).", show_default=False)]
Studies = Annotated[list[Path], typer.Argument(metavar="STUDY...", help="Study files (YAML).", show_default=False)]
Set = Annotated[
    Optional[list[str]], typer.Option("-s", "--set", metavar="KEY=VALUE", help="Override a key: recipe.epochs=30.")
]
Scale = Annotated[str, typer.Option("--scale", metavar="NAME", help="A scale of the study, such as small.")]
Runs = Annotated[Path, typer.Option("--runs", parser=parse_path, metavar="DIR", help="The directory of records.")]
Root = Annotated[
    Optional[Path], typer.Option("--data-root", parser=parse_path, metavar="DIR", help="The directory of images.")
]
Device = Annotated[str, typer.Option("--device", metavar="NAME", help="auto, cpu or cuda.")]
Slots = Annotated[Optional[int], typer.Option("--slots", metavar="N", help="Trials at the same time.")]
SlotsPerGpu = Annotated[int, typer.Option("--slots-per-gpu", metavar="N", help="Trials at the same time on each GPU.")]
Storage = Annotated[
    str,
    typer.Option(
        "--storage", metavar="URL|FILE", envvar="ABLATE_STORAGE", help="Optuna's storage.",
        show_default=False, show_envvar=True,
    ),
]  # fmt: skip
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RUNS = Path("runs")


def print_json(value: Any) -> None:
    """Print a value as indented JSON to stdout."""
    import orjson

    try:
        print(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
    except orjson.JSONEncodeError:  # a file name that is not valid Unicode
        print(json.dumps(value, indent=2))


def print_text(text: str) -> None:
    """Print the text of a command to stdout, on a terminal with its Markdown tables drawn."""
    if sys.stdout.isatty():
        from rich.console import Console

        from ablate.report.writers import terminal

        terminal.print_text(text, Console(highlight=False), "with --json")
    else:
        print(text)


def say(*texts: str) -> None:
    """Print messages to stderr, with parameter names written as flags; see with_flags().

    On a terminal long lines are broken between words.
    """
    width = shutil.get_terminal_size().columns if sys.stderr.isatty() else sys.maxsize
    for line in (printable(line) for text in texts for line in with_flags(text).split("\n")):
        folded = textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False)
        print(folded if len(line) > width else line, file=sys.stderr)


def with_flags(text: str) -> str:
    """A message of the library with flags for the parameters that it names: `slots_per_gpu` becomes --slots-per-gpu."""
    return re.sub("`([a-z]+(?:_[a-z]+)*)`", lambda found: f"--{found[1].replace('_', '-')}", text)


def one_of(table: Registry[Any], suits: Callable[[Any], bool] = lambda entry: True) -> dict[str, Any]:
    """The arguments of typer.Option for an option that takes a name of a table.

    Args:
        table: The table. Its names are the choices, which the help and the shell completion also show.
        suits: Whether an entry is a choice.
    """

    def names() -> list[str]:
        return [name for name, entry in table.items() if suits(entry)]

    def parse(text: str) -> str:
        if text not in names():
            raise typer.BadParameter(f"found '{text}'; {allowed(text, names())}")
        return text

    shown = [name for name, entry in table.built_in.items() if suits(entry)]
    return {"parser": parse, "metavar": f"[{'|'.join(shown)}]" if len(shown) < 5 else "NAME", "autocompletion": names}
