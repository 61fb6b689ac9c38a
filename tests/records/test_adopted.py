"""adopted.json: whose record counts for a trial, and what nobody can make it say."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import orjson
import pytest

from ablate.errors import DamagedRecord, RecordError
from ablate.files import content_id
from ablate.records.adopted import (
    ADOPTED,
    DIFFERENT,
    adopted_from,
    read_adopted,
    read_different,
    write_adopted,
    write_different,
)
from ablate.records.attempts import open_trial, write_result
from ablate.records.code import changed_codes, digests_in, with_codes, without_codes
from ablate.records.earlier import earlier_lines, find_earlier
from ablate.records.epochs import append_epoch
from ablate.records.merge import merge_runs
from ablate.records.records import own_record, read_record, recover_record, trial_state

OLD, NEW, LOSS = "0" * 15 + "1", "0" * 15 + "2", "0" * 15 + "3"


def definition(code: str = OLD, loss: str = LOSS, seed: int = 0, lr: float = 0.1, args: Any = 2) -> bytes:
    what = {
        "network": {"python": "mynet:build", "code": code, "args": '{"code": "3"}', "block": [3, 3]},
        "recipe": {"loss": {"python": "mine.losses:focal", "args": {"gamma": 2, "code": args}, "code": loss}, "lr": lr},
        "seed": seed,
    }
    return orjson.dumps(what, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def record(runs: Path, of: bytes, error: float = 10.0, finished: str = "2026-11-20T10:00:00") -> str:
    directory = runs / content_id(of)
    open_trial(directory, of)
    row = {"epoch": 1, "lr": 0.1, "train_loss": 1.0, "train_error": 5.0, "test_loss": 1.0, "test_error": error}
    append_epoch(directory, {**row, "train_seconds": 1.0, "test_seconds": 1.0})
    result = {"status": "completed", "epochs": 1, "test_error": error, "provenance": {"finished": finished}}
    write_result(directory, result)
    return directory.name


def entry(old: str, **codes: str) -> dict[str, Any]:
    return {"record": old, "code": {OLD: NEW, **codes}}


def test_digests_are_found_wherever_they_stand_but_in_arguments() -> None:
    found = list(digests_in(orjson.loads(definition(code="a", loss="b", args="c"))))
    assert [(one.digest, one.file) for one in found] == [("a", "mynet.py"), ("b", "mine/losses.py")]
    files = {"train.py": "d", "args": "e"}
    command = {"axes": {"code": "c", "files": {"x": "f"}}, "program": {"command": ["python", "train.py"], "files": files}}
    assert [(one.digest, one.file) for one in digests_in(command)] == [("d", "train.py"), ("e", "args")]
    block = {"network": {"block": "blocks:Mine", "code": "f"}}
    assert [one.file for one in digests_in(block)] == ["blocks.py"]


def test_definitions_that_differ_in_code_alone() -> None:
    assert with_codes(definition(), {OLD: NEW}) == definition(code=NEW)
    assert without_codes(definition()) == without_codes(definition(code=NEW, loss=NEW))
    assert without_codes(definition()) != without_codes(definition(args=NEW))
    assert changed_codes(definition(), definition(code=NEW)) == {OLD: (NEW, "mynet.py")}


def test_files_of_equal_content_are_told_apart(tmp_path: Path) -> None:
    def with_files(**files: str) -> bytes:
        value = orjson.loads(definition())
        value["recipe"] |= {"command": ["python", "train.py"], "files": files}
        return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)

    before = with_files(a=OLD, b=OLD, c=LOSS)
    for now in (with_files(a=NEW, b=OLD, c=NEW), with_files(a=NEW, b=LOSS, c=LOSS), with_files(a=NEW, b=NEW, c=OLD)):
        runs = tmp_path / content_id(now)
        new, old = content_id(now), record(runs, before)
        ((earlier,),) = find_earlier(runs, {new: now}).values()
        assert earlier_lines([earlier])[0].startswith(f"1 record under an earlier a ({OLD}, ")
        write_adopted(runs, {new: {"record": old, "code": earlier.codes}})
        found = read_record(runs, new)
        assert found and found.id == old


def test_an_adopted_record_counts_everywhere_and_stays_as_it_is(tmp_path: Path) -> None:
    old, new = record(tmp_path, definition()), content_id(definition(code=NEW))
    before = {path: path.read_bytes() for path in (tmp_path / old).iterdir()}
    assert read_record(tmp_path, new) is None and trial_state(tmp_path, new) == "missing"
    write_adopted(tmp_path, {new: entry(old)})
    found = read_record(tmp_path, new)
    assert found and (found.id, found.eval_error) == (old, 10.0) and found.epochs()[0]["epoch"] == 1
    assert trial_state(tmp_path, new) == "recorded" and own_record(tmp_path, new) is None
    assert {path: path.read_bytes() for path in (tmp_path / old).iterdir()} == before
    record(tmp_path, definition(code=NEW), error=20.0)  # a record of its own goes before
    again = read_record(tmp_path, new)
    assert again and (again.id, again.eval_error) == (new, 20.0)


@pytest.mark.parametrize(
    "other",
    [
        definition(code=NEW, args=OLD, seed=1),
        definition(code=NEW, args=OLD, lr=0.2),
        definition(code=NEW, args=3),
        definition(code=NEW, args=NEW),
    ],
)
def test_a_trial_that_differs_in_more_than_code_gets_no_record(tmp_path: Path, other: bytes) -> None:
    old = record(tmp_path, definition(args=OLD))
    write_adopted(tmp_path, {content_id(other): entry(old)})
    with pytest.raises(DamagedRecord, match=r"adopted.json: .* differ in more than code; remove the file and adopt again"):
        read_record(tmp_path, content_id(other))
    said: list[str] = []
    assert recover_record(tmp_path, content_id(other), said.append) is None  # it is trained
    assert len(said) == 1 and "differ in more than code" in said[0]


def test_an_earlier_trial_that_is_not_what_its_name_says_gives_no_record(tmp_path: Path) -> None:
    old, new = record(tmp_path, definition()), content_id(definition(code=NEW))
    write_adopted(tmp_path, {new: entry(old)})
    (tmp_path / old / "trial.json").write_bytes(definition(seed=7))
    with pytest.raises(RecordError):
        read_record(tmp_path, new)
    (tmp_path / old / "trial.json").unlink()
    assert read_record(tmp_path, new) is None


def test_trials_that_name_each_other_have_no_record(tmp_path: Path) -> None:
    one, other = definition(), definition(code=NEW)
    for each in (one, other):
        open_trial(tmp_path / content_id(each), each)
    back = {"record": content_id(other), "code": {NEW: OLD}}
    write_adopted(tmp_path, {content_id(other): entry(content_id(one)), content_id(one): back})
    assert read_record(tmp_path, content_id(one)) is None and read_record(tmp_path, content_id(other)) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{",
        b'{"x": 1}',
        b'{"0123456789abcdef": {"record": "../../etc", "code": {}}}',
        b'{"0123456789abcdef": {"record": "0123456789abcdef", "code": []}}',
        b'{"0123456789abcdef": {"record": "0123456789abcdef", "code": {"a": 1}}}',
        b'{"0123456789abcdef": {"record": "0123456789abcdef"}}',
    ],
)
def test_another_content_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ADOPTED).write_bytes(content)
    with pytest.raises(RecordError, match=r"adopted.json: .*remove it and adopt again") as caught:
        adopted_from(tmp_path, "0123456789abcdef")
    assert "\n" not in str(caught.value)


def test_a_link_or_a_pipe_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("{}")
    (tmp_path / ADOPTED).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RecordError, match="is a symbolic link"):
        read_record(tmp_path, "0123456789abcdef")
    (tmp_path / ADOPTED).unlink()
    os.mkfifo(tmp_path / ADOPTED)
    with pytest.raises(RecordError, match="is a named pipe"):
        read_record(tmp_path, "0123456789abcdef")


def test_entries_are_added_to_those_that_are_there(tmp_path: Path) -> None:
    old = record(tmp_path, definition())
    write_adopted(tmp_path, {"0" * 16: entry(old)})
    write_adopted(tmp_path, {"1" * 16: entry(old)})
    assert set(read_adopted(tmp_path)) == {"0" * 16, "1" * 16}


def test_other_results_are_remembered_and_a_damaged_memory_is_none(tmp_path: Path) -> None:
    write_different(tmp_path, {"0" * 16: "1" * 16})
    write_different(tmp_path, {"0" * 16: "2" * 16, "3" * 16: "1" * 16})
    assert read_different(tmp_path) == {"0" * 16: ["1" * 16, "2" * 16], "3" * 16: ["1" * 16]}
    for content in (b"{", b"[]", b'{"x": 1}'):
        (tmp_path / DIFFERENT).write_bytes(content)
        assert read_different(tmp_path) == {}


def test_earlier_records_are_found_and_named(tmp_path: Path) -> None:
    record(tmp_path, definition(seed=0))
    record(tmp_path, definition(seed=1), finished="2026-11-21T10:00:00")
    record(tmp_path, definition(seed=0, lr=0.2))
    record(tmp_path, definition(seed=0, loss=OLD[:-1] + "4"))
    now = {content_id(each): each for each in (definition(code=NEW, seed=seed) for seed in (0, 1, 2))}
    found = find_earlier(tmp_path, now)
    assert [len(found.get(trial, [])) for trial in now] == [2, 1, 0]
    lines = earlier_lines([one for several in found.values() for one in several])
    assert sorted(lines) == [
        f"1 record under an earlier mynet.py ({OLD}, 2026-11-20) and mine/losses.py ({OLD[:-1]}4, 2026-11-20)",
        f"2 records under an earlier mynet.py ({OLD}, 2026-11-21)",
    ]


def test_a_damaged_record_is_no_earlier_record(tmp_path: Path) -> None:
    old = record(tmp_path, definition())
    (tmp_path / old / "epochs.jsonl").write_bytes(b"")
    assert find_earlier(tmp_path, {content_id(definition(code=NEW)): definition(code=NEW)}) == {}


def test_a_merge_takes_adoptions_along(tmp_path: Path) -> None:
    source, into = tmp_path / "source", tmp_path / "into"
    old, new = record(source, definition()), content_id(definition(code=NEW))
    write_adopted(source, {new: entry(old)})
    plan = merge_runs([source], into)
    assert not plan.passed_over and not plan.conflicts
    found = read_record(into, new)
    assert found and found.id == old
