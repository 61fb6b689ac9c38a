"""Searches on a real PostgreSQL server, which the tests start for themselves."""

from __future__ import annotations

import getpass
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from optuna.trial import TrialState
from search.landscape import Landscape, invent, optuna_trials, search, told
from search.test_drivers import drive, wait_for

from ablate.api import load_search
from ablate.search import drivers
from ablate.search.drivers import driver_of
from ablate.search.storage import current_trials, find_search

pytest.importorskip("psycopg", reason="no driver for PostgreSQL; pip install -e '.[dev]'")
SPACE = "{dropout: {low: 0.0, high: 0.6}}"


def server_user() -> str | None:
    """Who the server runs as: PostgreSQL refuses to be root."""
    if os.geteuid():
        return None
    known = {user.pw_name for user in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in known), None)


def find_programs() -> Path | None:
    """The folder of initdb and postgres that run here: of pgserver's wheel, or installed."""
    spec = importlib.util.find_spec("pgserver")
    folders = [Path(spec.origin).parent / "pginstall" / "bin"] if spec and spec.origin else []
    if shutil.which("pg_config"):
        folders.append(Path(subprocess.check_output(["pg_config", "--bindir"], text=True).strip()))
    if found := shutil.which("initdb"):
        folders.append(Path(found).parent)
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in folders:
        try:
            for program in ("initdb", "postgres"):
                line = [str(folder / program), "--version"]
                subprocess.run(line, check=True, capture_output=True, user=server_user(), cwd="/")
            return folder
        except (OSError, subprocess.SubprocessError):  # not there, or not to be read by that user
            continue
    return None


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a server up to its database's name; it listens on a socket in a folder of its own, so on no port."""
    if (programs := find_programs()) is None:
        pytest.skip("no PostgreSQL server; pip install pgserver, or apt-get install postgresql")
    folder, user = tempfile.mkdtemp(prefix="pg", dir="/tmp"), server_user()  # a socket's path is short, and the user's
    shutil.chown(folder, user) if user else None
    name = user or getpass.getuser()
    data, log = Path(folder, "data"), Path(folder, "log.txt")
    options = {"user": user, "cwd": folder}
    process = None
    try:
        initdb = [programs / "initdb", "-D", data, "-U", name, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run(initdb, check=True, capture_output=True, **options)
        serve = [programs / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"]
        with log.open("wb") as output:
            process = subprocess.Popen(serve, stdout=output, stderr=output, **options)
        wait_for(lambda: b"ready to accept connections" in log.read_bytes() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield f"postgresql+psycopg://{name}@/{{}}?host={folder}"
    finally:
        if process and process.poll() is None:
            process.send_signal(signal.SIGINT)  # at once, whoever is connected
            process.wait(timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def database(server: str, request: pytest.FixtureRequest) -> str:
    """The URL of an empty database."""
    import psycopg

    name = f"db{abs(hash(request.node.name))}"
    url = server.format("postgres").replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server.format(name)


def test_two_machines_at_once_on_an_empty_database(tmp_path: Path, database: str) -> None:
    """They share no runs directory, so neither sees the other's locks, as two drivers of one machine do."""
    path = invent(tmp_path, 8, space=SPACE, folds=2, epochs=1)
    runs = [tmp_path / f"runs {number}" for number in range(2)]
    drivers = [drive(path, folder, 0.5, database) for folder in runs]
    said = [driver.communicate(timeout=300)[0] for driver in drivers]
    assert [driver.returncode for driver in drivers] == [0, 0], said
    trials = current_trials(optuna_trials(path, runs[0], database))
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 8
    assert len({str(trial.params) for trial in trials}) == 8
    assert len(set(map(driver_of, trials))) == 2  # each had some
    assert sum(int(text.split(" evaluated")[0].split()[-1]) for text in said) == 8, said
    assert sum(int(text.split(" training")[0].split()[-1]) for text in said) == 16  # none twice


def test_the_candidate_of_a_killed_driver_is_taken_over(tmp_path: Path, database: str) -> None:
    path, runs = invent(tmp_path, 3, folds=2, sampler="tpe"), tmp_path / "runs"
    driver = drive(path, runs, 0.5, database)
    wait_for(lambda: sum(each.read_bytes().count(b"\n") for each in runs.glob("*/epochs.jsonl")) > 4, 300)
    os.kill(driver.pid, signal.SIGKILL)
    driver.communicate()
    states = [trial.state for trial in optuna_trials(path, runs, database)]
    assert states == [TrialState.COMPLETE, TrialState.RUNNING]
    done = Landscape()
    assert search(path, runs, done, database).exit_code == 0
    assert len(done.trained) < 8  # what it had done is not done again
    search(path, tmp_path / "unbroken")
    assert told(optuna_trials(path, runs, database)) == told(optuna_trials(path, tmp_path / "unbroken"))


def test_another_machine_takes_over_once_the_sign_of_life_is_old(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = invent(tmp_path, 2, folds=2)
    driver = drive(path, tmp_path / "there", 1000, database)
    wait_for(lambda: list((tmp_path / "there").glob("*/trial.json")), 300)
    os.kill(driver.pid, signal.SIGKILL)
    driver.communicate()
    monkeypatch.setattr(drivers, "DEAD_SECONDS", 0.5)
    summary = search(path, tmp_path / "here", storage=database)
    assert (summary.evaluated, summary.exit_code) == (2, 0)
    trials = optuna_trials(path, tmp_path / "here", database)
    assert [(trial.number, trial.state) for trial in trials] == [(number, TrialState.COMPLETE) for number in range(2)]


def test_a_search_that_is_looked_for_makes_no_tables(tmp_path: Path, database: str) -> None:
    import psycopg

    study = load_search(invent(tmp_path, 2)).study
    assert find_search(study, database, tmp_path / "runs") is None
    with psycopg.connect(database.replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)
