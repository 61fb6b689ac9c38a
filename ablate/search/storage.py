"""Where Optuna keeps a search: SQLite beside the runs, a database of several machines, or a journal in a shared folder.

A search is one Optuna study, called by the study's name and a digest of all it depends on but its number of trials, so
that another space never mixes with this one. optuna-dashboard opens the storage as it is.
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

from ablate.errors import RunError, printable
from ablate.files import hold_lock
from ablate.search.distributions import optuna_params
from ablate.study.space import grid
from ablate.study.study import Study

FILE = "search.db"
LOCK = ".search.lock"
RETRIES = "retries"  # the attribute of a candidate that takes the place of a failed one: the number of that
SURPLUS = "surplus"  # the attribute of a candidate that two machines began when there was place for one
PATIENCE = 120.0  # seconds for another process that opens the storage or samples a candidate
BUSY = 60.0  # seconds that SQLite waits for another writer
ATTEMPTS = 5  # at a database in which another machine makes the tables
STILL_SECONDS = 10.0  # without a new candidate: whoever was to enqueue them has died
LEAST_SECRET = 4  # characters of a password that is looked for outside its URL
URL_FORM = re.compile(
    r"""\w+(\+\w+)?://([^\s:@/?\#&'"\[\]\\]*(:(?P<password>[^\s@/?\#&'"\[\]\\]*))?@)?  # user:password@
    (\[[\da-fA-F:.]+\]|[\w.-]*)(:\d+)?(/[^\s@?\#'"\\]*)?  # host:port/database
    (\?[\w.-]+=[^\s@&\#'"\\]*(&[\w.-]+=[^\s@&\#'"\\]*)*)?  # ?name=value&name=value""",
    re.VERBOSE,
)
AT_OPENING = (ImportError, OSError, RuntimeError, ValueError)  # what drivers, files and damaged journals raise


def default_storage(runs: Path) -> str:
    """The URL of the SQLite file beside the runs."""
    from sqlalchemy import URL

    return URL.create("sqlite", database=str(runs / FILE)).render_as_string()


def hide_password(text: str) -> str:
    """A text in which no URL that check_url() accepts shows its password."""
    hidden = re.sub(r"(://[^:/@\s]*):[^'\"\n]*@", r"\1:***@", text)
    return re.sub(r"(?i)(\w*(?:password|passwd|pwd|secret|token)\w*)=[^&\s'\"]+", r"\1=***", hidden)


def check_url(url: str) -> str:
    """The URL of a storage, or a journal's path. Raises RunError for a URL of which it is not sure what is secret."""
    if "://" in url and not re.fullmatch(r"sqlite(\+\w+)?:///.*", url) and not URL_FORM.fullmatch(url):
        raise RunError(
            f"--storage: {printable(re.split(r'[^a-z0-9+]', url)[0])}://***: found no URL such as "
            "postgresql://user:password@host:5432/database; allowed: that form, other signs in it written as an @ is, %40"
        )
    return url


def study_name(study: Study) -> str:
    """What Optuna calls the search."""
    assert study.search is not None
    return f"{study.name} {study.search.digest[:8]}"


@contextlib.contextmanager
def hold_search(runs: Path) -> Iterator[None]:
    """The block alone on this machine opens a storage or samples a candidate. Raises RunError."""
    with hold_lock(runs / LOCK, PATIENCE) as free:
        if not free:
            raise RunError(f"{runs / LOCK}: held by another process for {PATIENCE:.0f} s")
        yield


def open_storage(url: str) -> BaseStorage:
    """The storage at a URL such as postgresql+psycopg://user:password@host/db, or a journal's path. Raises RunError."""
    with storage_errors(url, *AT_OPENING):
        if "://" not in url:
            if Path(url).exists() and not Path(url).is_file():
                raise RunError(f"--storage: {url} is not a file; allowed: a journal's path, or a database's URL")
            Path(url).parent.mkdir(parents=True, exist_ok=True)
            return JournalStorage(JournalFileBackend(url))
        settings = {"connect_args": {"timeout": BUSY}} if url.startswith("sqlite:") else {"pool_pre_ping": True}
        return _with_tables(lambda: RDBStorage(url, engine_kwargs=settings))


def open_search(study: Study, url: str, runs: Path, possible: Callable[[dict[str, Any]], bool]) -> optuna.Study:
    """The Optuna study of a search, made where there is none yet, with all that is enqueued. Raises RunError.

    possible: whether a candidate of these values can be; a grid enqueues those that can.
    """
    search = study.search
    assert search is not None
    runs.mkdir(parents=True, exist_ok=True)
    with hold_search(runs), storage_errors(url, *AT_OPENING):
        storage = open_storage(url)
        name, objectives = study_name(study), 2 if search.also_minimize else 1
        try:
            opened = optuna.create_study(storage=storage, study_name=name, directions=["minimize"] * objectives)
        except optuna.exceptions.DuplicatedStudyError:  # whoever makes it enqueues
            opened = optuna.load_study(storage=storage, study_name=name)
            _await_enqueued(opened)
        if "enqueued" not in opened.user_attrs:  # or a process that was to do it has died
            known = {repr(trial.system_attrs.get("fixed_params")) for trial in opened.get_trials(deepcopy=False)}
            first, others = list(search.enqueue), list[dict[str, Any]]()
            if search.sampler == "grid":  # every candidate is a whole one: those with the values come first
                others = list(filter(possible, grid(search.parameters)))
                first = [values for named in first for values in others if named.items() <= values.items()]
            for values, attrs in [(values, {"enqueued": True}) for values in first] + [(values, None) for values in others]:
                if repr(params := optuna_params(search, values)) not in known:
                    opened.enqueue_trial(params, attrs)
                    known.add(repr(params))
            opened.set_user_attr("enqueued", True)
    return opened


def _await_enqueued(opened: optuna.Study) -> None:
    """Waits for another machine that is enqueueing, as long as it gets on."""
    count, changed = -1, time.monotonic()
    while "enqueued" not in opened.user_attrs and time.monotonic() - changed < STILL_SECONDS:
        if (found := len(opened.get_trials(deepcopy=False))) != count:
            count, changed = found, time.monotonic()
        time.sleep(0.1)


def retry_failed(opened: optuna.Study, runs: Path) -> None:
    """Every candidate that failed comes again, as a new one. What has ended cannot be marked, so the new one is."""
    with hold_search(runs):
        for trial in standing(opened.get_trials(deepcopy=False)):
            if trial.state == TrialState.FAIL:
                enqueued = {"enqueued": True} if trial.user_attrs.get("enqueued") else {}
                opened.enqueue_trial(trial.params, {RETRIES: trial.number, **enqueued})


def standing(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Of all trials of a search those that count: not the failed that another takes the place of, nor the surplus."""
    replaced = {trial.user_attrs.get(RETRIES) for trial in trials}
    return [trial for trial in trials if trial.number not in replaced and not trial.user_attrs.get(SURPLUS)]


def find_search(study: Study, url: str, runs: Path) -> optuna.Study | None:
    """The Optuna study of a search, None where it has not begun; nothing is written. Raises RunError."""
    from sqlalchemy import create_engine, inspect, make_url

    with storage_errors(url, *AT_OPENING), contextlib.suppress(KeyError):
        file = url if "://" not in url else make_url(url).database if url.startswith("sqlite") else None
        if file and not Path(file).exists():
            return None
        if "://" in url and not inspect(create_engine(url)).has_table("studies"):
            return None
        return optuna.load_study(study_name=study_name(study), storage=open_storage(url))
    return None


def _with_tables(make: Callable[[], BaseStorage]) -> BaseStorage:
    """Two machines that make the tables of one database at the same moment disturb each other; one of them waits."""
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
    """What goes wrong with a storage, and other errors that are named, in one line without its password."""
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
        raise RunError(f"--storage: {hide_password(url)}: {reason or type(error).__name__}") from None
