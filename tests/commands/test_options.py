"""How the texts of options are read, and what becomes of the parameters that a message names."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import typer
from typer.main import get_command
from typer.models import OptionInfo

import ablate
from ablate.commands.cli import app
from ablate.commands.options import with_flags
from ablate.commands.trials import next_command, parse_cohort, parse_gpus, parse_interval, parse_shard
from ablate.errors import RunError


@pytest.mark.parametrize("text", ["", "0", "8,", "x", "-1", "1.5", "9999999", "٣"])
def test_numbers_of_gpus_that_cannot_be(text: str) -> None:
    with pytest.raises(RunError, match=r"--gpus: found .*; allowed: numbers from 1 to 1,000,000, such as 1,8,512"):
        parse_gpus(text)


def test_numbers_of_gpus() -> None:
    assert parse_gpus("1, 8,512,8") == (1, 8, 512)


def test_intervals_cohorts_and_shards() -> None:
    assert [parse_interval(text) for text in ("10", "300s", "auto")] == [(10, 0.0), (0, 300.0), (0, 0.0)]
    assert (parse_cohort("5"), parse_cohort("auto")) == (5, None)
    assert (parse_shard("2/8"), parse_shard("")) == ((2, 8), None)
    for parse, texts in ((parse_interval, ("0", "5m", "")), (parse_cohort, ("0", "x")), (parse_shard, ("9/8", "0/2", "1"))):
        for text in texts:
            with pytest.raises(RunError, match=f"^--[a-z-]+: found '{text}'; allowed: "):
                parse(text)  # type: ignore[operator]


def test_an_empty_path_is_not_the_current_directory() -> None:
    options = {
        name: info
        for command in app.registered_commands
        if command.callback
        for name, hint in get_type_hints(command.callback, include_extras=True).items()
        for part in (hint, *get_args(hint))  # Python 3.10 makes a hint optional where None is the default
        for info in getattr(part, "__metadata__", ())
        if isinstance(info, OptionInfo) and info.metavar in ("DIR", "FILE", "PATH", "RUNS")
    }
    assert {"runs", "out", "logs", "into", "output", "weights", "data_root"} <= set(options)
    for info in options.values():
        with pytest.raises(typer.BadParameter, match="found ''; allowed: a path"):
            info.parser("")


def test_a_message_names_a_flag_for_each_parameter() -> None:
    said = "`slots_per_gpu` is 0, see data.root and 'base'; use `ablate run X` or `gpus`"
    assert with_flags(said) == "--slots-per-gpu is 0, see data.root and 'base'; use `ablate run X` or --gpus"


def messages() -> Iterator[tuple[str, str]]:
    """(module, text) of every string of the library below the commands that is no documentation."""
    root = Path(ablate.__file__).parent
    written = {root / "study" / "reference.py", root / "archive.py"}  # pages that show commands
    others = {*(root / "commands").rglob("*.py"), *written}
    for path in sorted(set(root.rglob("*.py")) - others):
        tree = ast.parse(path.read_text())
        statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        documented = [node.value for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "explained"]
        statements |= {id(part) for node in documented for part in ast.walk(node)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in statements:
                yield str(path.relative_to(root)), re.sub("`ablate [^`]*(`|$)", "", node.value)


def test_messages_of_the_library_name_parameters_and_no_flags() -> None:
    options = {option for name in get_command(app).commands.values() for one in name.params for option in one.opts}  # type: ignore[attr-defined]
    flags = {option for option in options if option.startswith("--")}
    said = list(messages())
    named = [(path, flag) for path, text in said for flag in re.findall(r"(?<![\w-])--[a-z-]+", text) if text != flag]
    assert [one for one in named if one[1] in flags] == []
    parameters = [(path, one) for path, text in said for one in re.findall("`[a-z]+(?:_[a-z]+)*`", text)]
    assert parameters and [one for one in parameters if with_flags(one[1]) not in flags] == []


def test_every_help_is_short_enough_for_one_line() -> None:
    commands = get_command(app).commands.items()  # type: ignore[attr-defined]
    assert not [name for name, command in commands if not 0 < len(command.get_short_help_str(100)) <= 64]
    texts = [(name, one.name, one.help) for name, command in commands for one in command.params if hasattr(one, "help")]
    assert not [each for each in texts if not each[2] or len(each[2]) > 48]


def test_a_shell_completes_the_names_of_a_table() -> None:
    asked = {"COMP_WORDS": "ablate evaluate WRN-28-10 --data cif", "COMP_CWORD": "4", "_ABLATE_COMPLETE": "complete_bash"}
    code = "import sys; sys.argv = ['ablate']; from ablate.commands.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | asked, capture_output=True, text=True)
    assert done.stdout.split() == ["cifar10", "cifar100"]


def test_the_next_command_can_be_typed_as_it_stands() -> None:
    said = next_command("report", Path("my study.yaml"), ["data.augment=[flip, crop]"], "small", Path("my runs"))
    assert said == "ablate report 'my study.yaml' -s 'data.augment=[flip, crop]' --scale small --runs 'my runs'"
