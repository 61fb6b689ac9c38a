"""Optuna's storage of a search: an SQLite file in the runs directory, a database, or a journal in a shared folder.

A search is one Optuna study. Its name is the name of the study and a digest of everything that the search depends on except
its number of trials, so that two spaces are never mixed. optuna-dashboard opens the storage unchanged.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from ablate.errors import RecordError, RunError, printable
from ablate.files import hold_lock, regular_file
from ablate.search.distributions import optuna_params
from ablate.search.optuna_internals import enqueued_params
from ablate.study.program import ProgramStudy
from ablate.study.space import grid
from ablate.study.study import Study

FILE = "search.db"
LOCK = ".search.lock"
RETRIES = "retries"  # user attribute of a candidate that replaces a failed one: that one's number
SURPLUS = "surplus"  # user attribute of a surplus candidate: two machines took the last one at the same time
LOCK_SECONDS = 120.0  # longest wait for a process that opens the storage or samples a candidate
SQLITE_SECONDS = 60.0  # longest wait of SQLite for another writer
ATTEMPTS = 5  # at creating the tables of a database while another machine creates them
STILL_SECONDS = 10.0  # without a new candidate; after that, the process that enqueues has died
LEAST_SECRET = 4  # characters; a shorter password is only hidden inside its URL
URL_FORM = re.compile(
    r"""\w+(\+\w+)?://([^\s:@/?\#&'"\[\]\\]*(:(?P<password>[^\s@/?\#&'"\[\]\\]*))?@)?  # user:password@
    (\[[\da-fA-F:.]+\]|[\w.-]*)(:\d+)?(/[^\s@?\#'"\\]*)?  # host:port/database
    (\?[\w.-]+=[^\s@&\#'"\\]*(&[\w.-]+=[^\s@&\#'"\\]*)*)?  # ?name=value&name=value""",
    re.VERBOSE,
)
OPENING_ERRORS = (ImportError, OSError, RuntimeError, ValueError)  # of database drivers, files and damaged journals


def default_storage(runs: Path) -> str:
    """The URL of the SQLite file in the runs directory.

    Args:
        runs: The runs directory.
    """
    from sqlalchemy import URL

    return URL.create("sqlite", database=str(runs / FILE)).render_as_string()


def hide_password(text: str) -> str:
    """A text without the password of any URL in it that check_url() accepts.

    Args:
        text: Such as an error message of a database driver.
    """
    hidden = re.sub(r"(://[^:/@\s]*):[^'\"\n]*@", r"\1:***@", text)
    return re.sub(r"(?i)(\w*(?:password|passwd|pwd|secret|token)\w*)=[^&\s'\"]+", r"\1=***", hidden)


def check_url(url: str) -> str:
    """The URL of a storage, or the path of a journal, unchanged.

    Args:
        url: Such as "postgresql://user:password@host:5432/database"; or a path.

    Raises:
        RunError: The URL does not have this form, so that its password cannot be found and hidden.
    """
    if "://" in url and not re.fullmatch(r"sqlite(\+\w+)?:///.*", url) and not URL_FORM.fullmatch(url):
        raise RunError(
            f"storage {printable(re.split(r'[^a-z0-9+]', url)[0])}://***: not a URL such as "
            "postgresql://user:password@host:5432/database; use that form, and encode other characters (@ as %40)"
        )
    return url


def study_name(study: Study | ProgramStudy) -> str:
    """The name of a study's search in Optuna.

    Args:
        study: A study that has a search.
    """
    assert study.search is not None
    return f"{study.name} {study.search.digest[:8]}"


@contextlib.contextmanager
def hold_search(runs: Path) -> Iterator[None]:
    """A context manager: within the block no other process of this machine opens the storage or samples a candidate.

    Args:
        runs: The runs directory.

    Raises:
        RunError: Another process has held the lock for LOCK_SECONDS.
    """
    with hold_lock(runs / LOCK, LOCK_SECONDS) as free:
        if not free:
            raise RunError(f"{runs / LOCK}: held by another process for {LOCK_SECONDS:.0f} s")
        yield


def open_storage(url: str) -> BaseStorage:
    """The storage at a URL or at the path of a journal; created if it does not exist.

    Args:
        url: Such as "postgresql+psycopg://user:password@host/db"; or a path.

    Raises:
        RunError: The storage cannot be opened.
    """
    with storage_errors(url, *OPENING_ERRORS):
        if "://" not in url:
            Path(url).parent.mkdir(parents=True, exist_ok=True)
            return JournalStorage(JournalFileBackend(url))
        settings = {"connect_args": {"timeout": SQLITE_SECONDS}} if url.startswith("sqlite:") else {"pool_pre_ping": True}
        return _create_tables(lambda: RDBStorage(url, engine_kwargs=settings))


def open_search(
    study: Study | ProgramStudy, url: str, runs: Path, possible: Callable[[dict[str, Any]], Any]
) -> optuna.Study:
    """The Optuna study of a search with all its enqueued candidates; created if it does not exist.

    Args:
        study: A study that has a search.
        url: Of the storage, or the path of a journal.
        runs: The runs directory.
        possible: Whether a candidate with these values by axis is feasible; a grid enqueues those that are.

    Raises:
        RunError: The storage cannot be opened.
    """
    search = study.search
    assert search is not None
    runs.mkdir(parents=True, exist_ok=True)
    with hold_search(runs), storage_errors(url, *OPENING_ERRORS):
        _check_files(url, runs)
        storage = open_storage(url)
        name, directions = study_name(study), [study.decision.goal]
        directions += ["minimize"] * len(search.also_minimize)
        try:
            opened = optuna.create_study(storage=storage, study_name=name, directions=directions)
        except optuna.exceptions.DuplicatedStudyError:  # the process that created it enqueues
            opened = optuna.load_study(storage=storage, study_name=name)
            _await_enqueued(opened)
        if "enqueued" not in opened.user_attrs:  # the study is new, or the process that should enqueue has died
            known = {repr(enqueued_params(trial)) for trial in opened.get_trials(deepcopy=False)}
            first, others = list(search.enqueue), list[dict[str, Any]]()
            if search.sampler == "grid":  # candidates of the grid that have the enqueued values come first
                others = list(filter(possible, grid(search.parameters)))
                first = [values for named in first for values in others if named.items() <= values.items()]
            for values, attrs in [(values, {"enqueued": True}) for values in first] + [(values, None) for values in others]:
                if repr(params := optuna_params(search, values)) not in known:
                    opened.enqueue_trial(params, attrs)
                    known.add(repr(params))
            opened.set_user_attr("enqueued", True)
    return opened


def _await_enqueued(opened: optuna.Study) -> None:
    """Wait for another process that enqueues, as long as new candidates appear."""
    count, changed = -1, time.monotonic()
    while "enqueued" not in opened.user_attrs and time.monotonic() - changed < STILL_SECONDS:
        if (found := len(opened.get_trials(deepcopy=False))) != count:
            count, changed = found, time.monotonic()
        time.sleep(0.1)


def retry_failed(opened: optuna.Study, runs: Path) -> None:
    """Enqueue every failed candidate again as a new one, because Optuna cannot change an ended trial.

    The new candidate keeps the number of the failed one in the user attribute RETRIES.

    Args:
        opened: Optuna's study of the search.
        runs: The runs directory.

    Raises:
        RunError: Another process has held the lock for LOCK_SECONDS.
    """
    with hold_search(runs):
        for trial in current_trials(opened.get_trials(deepcopy=False)):
            if trial.state == TrialState.FAIL:
                enqueued = {"enqueued": True} if trial.user_attrs.get("enqueued") else {}
                opened.enqueue_trial(trial.params, {RETRIES: trial.number, **enqueued})


def current_trials(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials that count: without surplus ones, and without failed ones that another trial replaces.

    Args:
        trials: All trials of a search.
    """
    replaced = {trial.user_attrs.get(RETRIES) for trial in trials}
    return [trial for trial in trials if trial.number not in replaced and not trial.user_attrs.get(SURPLUS)]


def find_search(study: Study | ProgramStudy, url: str, runs: Path) -> optuna.Study | None:
    """The Optuna study of a search, or None if it has not begun. Writes nothing.

    Args:
        study: A study that has a search.
        url: Of the storage, or the path of a journal.
        runs: The runs directory.

    Raises:
        RunError: The storage cannot be read.
    """
    from sqlalchemy import create_engine, inspect

    with storage_errors(url, *OPENING_ERRORS), contextlib.suppress(KeyError):
        _check_files(url, runs)
        if (file := _file_of(url)) and not file.exists():
            return None
        if "://" in url and not inspect(create_engine(url)).has_table("studies"):
            return None
        return optuna.load_study(study_name=study_name(study), storage=open_storage(url))
    return None


def _file_of(url: str) -> Path | None:
    """The file of a journal or of an SQLite database; None for one in memory, and for a server's."""
    from sqlalchemy import make_url

    file = url if "://" not in url else make_url(url).database if url.startswith("sqlite") else None
    return Path(file) if file else None


def _check_files(url: str, runs: Path) -> None:
    """Check the files of a storage, which are opened by their paths. One that the user names may be a link.

    Raises:
        RunError: Something other than a file is in the place of one.
    """
    if url == default_storage(runs):
        for end in ("", "-journal", "-wal", "-shm"):
            try:
                regular_file(runs / f"{FILE}{end}")
            except RecordError as error:
                raise RunError(f"storage {error}") from None
        return
    file = _file_of(url)
    if file and file.exists() and not file.is_file():
        raise RunError(f"storage {url}: not a file; name a journal's path, or a database's URL")


def _create_tables(make: Callable[[], BaseStorage]) -> BaseStorage:
    """A new storage. Tries again if another machine creates the tables of the same database at the same moment."""
    from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

    for attempt in range(1, ATTEMPTS):
        try:
            return make()
        except (IntegrityError, OperationalError, ProgrammingError) as error:
            if not re.search("already exists|unique|locked", str(error), re.IGNORECASE):
                raise
            time.sleep(attempt)
    return make()


@contextlib.contextmanager
def storage_errors(url: str, *others: type[Exception]) -> Iterator[None]:
    """A context manager: within the block, errors of the storage become a RunError that does not contain its password.

    Args:
        url: Of the storage, or the path of a journal.
        others: Further types of errors to convert.

    Raises:
        RunError: The storage failed.
    """
    import sqlalchemy.exc

    caught: tuple[type[Exception], ...] = (
        sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError, *others
    )  # fmt: skip
    try:
        yield
    except caught as error:
        reason = hide_password(" ".join(str(error.__cause__ or error).split("\n")[0].split()))
        if (parts := URL_FORM.fullmatch(url)) and len(password := unquote(parts["password"] or "")) >= LEAST_SECRET:
            reason = reason.replace(password, "***")
        raise RunError(f"storage {hide_password(url)}: {reason or type(error).__name__}") from None
