"""Where Optuna keeps a search: SQLite beside the runs, a database of several machines, or a journal in a shared folder.

A search is one Optuna study, called by the study's name and a digest of all it depends on but its number of trials, so
that another space never mixes with this one. optuna-dashboard opens the storage as it is.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from ablate.errors import RunError
from ablate.files import hold_lock
from ablate.search.distributions import optuna_params
from ablate.study.space import grid
from ablate.study.study import Study

FILE = "search.db"
LOCK = ".search.lock"
RETRIED = "retried"  # the attribute of a failed candidate that another has taken the place of
PATIENCE = 120.0  # seconds for another process that opens the storage or samples a candidate
BUSY = 60.0  # seconds that SQLite waits for another writer
ATTEMPTS = 5  # at a database that another machine may be making tables in


def default_storage(runs: Path) -> str:
    """The URL of the SQLite file beside the runs."""
    from sqlalchemy import URL

    return URL.create("sqlite", database=str(runs / FILE)).render_as_string()


def hide_password(text: str) -> str:
    """A text in which no URL shows its password."""
    hidden = re.sub(r"(://[^:/@\s]*):[^@\s]*@", r"\1:***@", text)
    return re.sub(r"(?i)(password|passwd|pwd)=[^&\s'\"]+", r"\1=***", hidden)


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
    """The storage of a URL such as postgresql://user:password@host/database, or of a journal's path. Raises RunError."""
    with _told(url):
        if "://" not in url:
            Path(url).parent.mkdir(parents=True, exist_ok=True)
            return JournalStorage(JournalFileBackend(url))
        if not url.startswith("sqlite:"):
            return RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
        return RDBStorage(url, engine_kwargs={"connect_args": {"timeout": BUSY}})


def open_search(study: Study, url: str, runs: Path, possible: Callable[[dict[str, Any]], bool]) -> optuna.Study:
    """The Optuna study of a search, made where there is none yet, with all that is enqueued. Raises RunError.

    possible: whether a candidate of these values can be; a grid enqueues those that can.
    """
    search = study.search
    assert search is not None
    runs.mkdir(parents=True, exist_ok=True)
    with hold_search(runs), _told(url):
        opened = optuna.create_study(
            storage=_retried(lambda: open_storage(url)),
            study_name=study_name(study),
            directions=["minimize", "minimize"] if search.also_minimize else ["minimize"],
            load_if_exists=True,
        )
        if "enqueued" not in opened.user_attrs:  # or a process that was to do it has died
            there = [trial.system_attrs.get("fixed_params") for trial in opened.get_trials(deepcopy=False)]
            for values in search.enqueue:
                if (params := optuna_params(search, values)) not in there:
                    opened.enqueue_trial(params, {"enqueued": True})
                    there.append(params)
            if search.sampler == "grid":
                known = {repr(params) for params in there}
                for values in filter(possible, grid(search.parameters)):
                    if repr(params := optuna_params(search, values)) not in known:
                        opened.enqueue_trial(params)
            opened.set_user_attr("enqueued", True)
    return opened


def retry_failed(opened: optuna.Study, runs: Path) -> None:
    """Every candidate that failed comes again, as a new one."""
    with hold_search(runs):
        for trial in opened.get_trials(deepcopy=False, states=(TrialState.FAIL,)):
            if not trial.user_attrs.get(RETRIED):
                attrs = {"enqueued": True} if trial.user_attrs.get("enqueued") else None
                opened.enqueue_trial(trial.params, attrs)
                opened._storage.set_trial_user_attr(trial._trial_id, RETRIED, True)


def find_search(study: Study, url: str, runs: Path) -> optuna.Study | None:
    """The Optuna study of a search, None where it has not begun; nothing is written. Raises RunError."""
    if url == default_storage(runs) and not (runs / FILE).exists():
        return None
    if "://" not in url and not Path(url).exists():
        return None
    with _told(url), contextlib.suppress(KeyError):
        return optuna.load_study(study_name=study_name(study), storage=open_storage(url))
    return None


def _retried(make: Callable[[], BaseStorage]) -> BaseStorage:
    """Two machines that make the tables of one database at the same moment disturb each other; one of them waits."""
    for attempt in range(1, ATTEMPTS):
        try:
            return make()
        except RunError:
            time.sleep(attempt)
    return make()


@contextlib.contextmanager
def _told(url: str) -> Iterator[None]:
    """What goes wrong with a storage, in one line without its password."""
    import sqlalchemy.exc

    try:
        yield
    except (sqlalchemy.exc.SQLAlchemyError, ImportError, OSError, RuntimeError) as error:
        reason = hide_password(" ".join(str(error).split("\n")[0].split()))
        raise RunError(f"--storage: {hide_password(url)}: {reason or type(error).__name__}") from None
