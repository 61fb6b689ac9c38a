"""A user's own code: how it is called, and what is wrong with it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from ablate.errors import NotationError
from ablate.own_code import OwnCode, read_own_code
from ablate.own_modules import code_digest, look_in, normalized_digest
from ablate.processes.signals import PREEMPTED, Preempted, handling, preempted

MINE = """
import os
def scale(x, factor=2, *, seed=0):
    return x * factor + seed

def takes_all(x, **others):
    return sorted(others)

def fails(x):
    return x / 0

def ends(x):
    os._exit(0)

def is_preempted(x):
    os.kill(os.getpid(), 15)

def forks(x):
    if not (child := os.fork()):
        os._exit(7)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "own_things.py").write_text(MINE)
    return tmp_path


def read(folder: Path, name: str, **args: object) -> OwnCode:
    return read_own_code({"python": f"own_things:{name}", "args": args}, (folder,))


def test_a_call_offers_what_the_signature_has_and_the_arguments_win(folder: Path) -> None:
    assert read(folder, "scale").call(x=3, seed=1, other=9) == 7
    assert read(folder, "scale", factor=5, seed=4).call(x=3, seed=1) == 19
    assert read(folder, "takes_all", a=1).call(x=3, seed=1) == ["a"]


def test_the_identity_is_what_is_written_and_the_digest(folder: Path) -> None:
    one, other = read(folder, "scale", factor=5), read(folder, "scale", factor=6)
    assert one.identity() == {"python": "own_things:scale", "args": {"factor": 5}, "code": one.code}
    assert one.code == other.code and one != other and hash(one) != hash(other)
    (folder / "own_things.py").write_text(MINE.replace("+ seed", "- seed"))
    assert read(folder, "scale", factor=5).code != one.code


def test_code_ends_no_command_in_silence(folder: Path) -> None:
    with pytest.raises(NotationError, match=r"own_things:ends: .*own_things.py:\d+: SystemExit: os._exit\(0\)"):
        read(folder, "ends").call(x=1)
    assert read(folder, "forks").call(x=1) == 7
    (folder / "own_end.py").write_text("from os import _exit\n_exit(0)\n")
    with pytest.raises(NotationError, match=r"own_end.py:2: SystemExit"):
        read_own_code({"python": "own_end:f"}, (folder,)).check()


def test_a_job_that_is_preempted_while_own_code_is_called_is_queued_again(folder: Path) -> None:
    called = read(folder, "is_preempted")
    with pytest.raises(Preempted) as ended, handling({signal.SIGTERM: preempted}):
        called.call(x=1)
    assert ended.value.code == PREEMPTED


@pytest.mark.parametrize(
    "name, args, message",
    [
        ("scale", {}, ""),
        ("takes_all", {"a": 1}, ""),
        ("scale", {"factr": 1}, "own_things:scale has no parameter 'factr'; did you mean 'factor'?"),
        ("fails", {"y": 1}, "own_things:fails has no parameter 'y'; allowed: x"),
    ],
)
def test_a_signature_that_does_not_fit(folder: Path, name: str, args: dict[str, object], message: str) -> None:
    own = read(folder, name, **args)
    if not message:
        return own.check("x")
    with pytest.raises(NotationError) as caught:
        own.check("x")
    assert str(caught.value).startswith(message)


def test_a_parameter_that_is_needed_has_a_name(folder: Path) -> None:
    """Nothing of what ablate offers is passed in **others."""
    read(folder, "takes_all").check("x", "seed", needed=["x"])
    with pytest.raises(NotationError, match="own_things:takes_all has no parameter 'seed'; it must take x and seed"):
        read(folder, "takes_all").check("x", "seed", needed=["x", "seed"])


def test_a_parameter_without_a_value(folder: Path) -> None:
    with pytest.raises(NotationError, match="needs a value for its parameter 'x'; it receives its args and step"):
        read(folder, "scale").check("step")


def test_an_error_names_the_user_s_line(folder: Path) -> None:
    with pytest.raises(NotationError, match=r"own_things\.py:10: ZeroDivisionError"):
        read(folder, "fails").call(x=1)


@pytest.mark.parametrize(
    "written, message",
    [
        ({"python": "own_things"}, ".python: found 'own_things'; allowed: package.module:callable"),
        ({"python": "own_things:scale", "arg": {}}, ": unknown key 'arg'; did you mean"),
        ({"python": "own_things:scale", "args": [1]}, ".args: found a list; allowed: a mapping"),
    ],
)
def test_a_mapping_that_is_wrong(folder: Path, written: dict[str, object], message: str) -> None:
    with pytest.raises(NotationError) as caught:
        read_own_code(written, (folder,))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "edited, same",
    [
        ('"""Other."""\n\ndef f( x = 1 ):\n\n    # a comment\n    return (x +\n        1)\n', True),
        ("def f(x=1):\n    return x + 1\n", True),
        ('"""Doc."""\ndef f(x=2):\n    return x + 1\n', False),
        ('"""Doc."""\ndef f(x=1):\n    "a docstring"\n    return x + 1\n', True),
        ('"""Doc."""\ndef f(x=1):\n    return x + 1 or "no docstring"\n', False),
    ],
)
def test_the_normalized_digest_is_of_what_runs(tmp_path: Path, edited: str, same: bool) -> None:
    path = tmp_path / "normalized_mine.py"
    look_in(tmp_path)
    path.write_text('"""Doc."""\ndef f(x=1):\n    return x + 1\n')
    before, plain = normalized_digest("normalized_mine:f"), code_digest("normalized_mine:f")
    path.write_text(edited)
    assert (normalized_digest("normalized_mine:f") == before) is same
    assert code_digest("normalized_mine:f") != plain


def test_docstrings_that_code_reads_stay(tmp_path: Path) -> None:
    path = tmp_path / "normalized_doc.py"
    look_in(tmp_path)
    digests = []
    for text in ("one", "two"):
        path.write_text(f'"""{text}"""\ndef f():\n    return len(__doc__)\n')
        digests.append(normalized_digest("normalized_doc:f"))
    assert digests[0] != digests[1]


def test_installed_code_has_a_normalized_digest() -> None:
    assert normalized_digest("torch.nn:Linear") != normalized_digest("torch.nn:BatchNorm2d")


def test_code_changes_no_folder_and_may_raise_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "moves_away.py").write_text(
        "import os\nos.chdir('/')\n\nclass Odd(Exception):\n    def __str__(self):\n        raise self\n\n"
        "def moves():\n    os.chdir('/')\n\ndef fails():\n    raise Odd\n"
    )
    read_own_code({"python": "moves_away:moves"}, (tmp_path,)).call()
    assert Path.cwd() == tmp_path
    with pytest.raises(NotationError, match=r"moves_away:fails: .*moves_away\.py:12: Odd: $"):
        read_own_code({"python": "moves_away:fails"}, (tmp_path,)).call()
