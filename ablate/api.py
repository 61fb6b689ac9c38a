"""The Python interface: a study file becomes an experiment, which does everything that the commands do.

experiment = ablate.load_study("studies/quickstart.yaml")
experiment.run()
experiment.results()        # a tidy DataFrame with one row for each trial
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

from ablate.data.copies import read_copies
from ablate.data.location import find_location
from ablate.errors import RunError, StudyError
from ablate.kinds.precisions import CHOSEN
from ablate.network_experiment import Experiment, enumerate_within
from ablate.precision import chosen_precision
from ablate.program_experiment import ProgramExperiment
from ablate.records.definitions import recorded_data
from ablate.records.remembered import remembered_copies, remembered_precision
from ablate.search.experiment import SearchExperiment
from ablate.study.crossing import find_crossings
from ablate.study.document import open_document
from ablate.study.program import ProgramStudy
from ablate.study.spec import load_any_study
from ablate.study.study import Study
from ablate.study.together import read_together
from ablate.study.tuning import network_tunings, program_tunings

AnyExperiment = Experiment | ProgramExperiment | SearchExperiment


def load_study(
    path: str | Path | Mapping[str, Any],
    overrides: Iterable[str] = (),
    *,
    scale: str = "",
    runs: str | Path = "runs",
    storage: str = "",
    data_root: str | Path | None = None,
    download: bool = False,
    images: str | Path | Sequence[str | Path] = (),
    device: str = "auto",
) -> Experiment | ProgramExperiment:
    """The experiment of a study, with networks or with a training program.

    Args:
        path: Of the study file; or a mapping with the keys of one, which finds its modules in the current directory.
        overrides: Changes to the file, such as "recipe.epochs=30".
        scale: The name of one of the study's scales, such as "small"; "": none.
        runs: Directory of the records; it need not exist.
        storage: Of a search, or of the searches of a study with `tune`: URL of a database or path of a journal file; "":
            the SQLite file in the runs directory.
        data_root: Directory of the images; None: the default one.
        download: Whether missing images are downloaded.
        images: Directories of class folders in place of data sets, each "DIR" or "NAME=DIR", such as "cifar10=photos". A
            run remembers them in `runs`.
        device: As in RunOptions: what `precision: auto` is chosen for, where no run in `runs` has chosen it.

    Raises:
        StudyError: The file is missing or not valid, or it defines a search.
        RunError: `runs` is not a directory.
    """
    found = load_experiment(
        path, overrides, scale=scale, runs=runs, storage=storage, data_root=data_root, download=download, images=images,
        device=device,
    )  # fmt: skip
    if isinstance(found, SearchExperiment):
        raise StudyError(f"{_named(path)} defines a search; use {_command('search', path)}")
    return found


def load_search(
    path: str | Path | Mapping[str, Any],
    overrides: Iterable[str] = (),
    *,
    scale: str = "",
    runs: str | Path = "runs",
    storage: str = "",
    data_root: str | Path | None = None,
    download: bool = False,
    images: str | Path | Sequence[str | Path] = (),
    device: str = "auto",
) -> SearchExperiment:
    """The search of a study.

    Args:
        path, overrides, scale, runs, storage, data_root, download, images, device: As in load_study().

    Raises:
        StudyError: The file is missing or not valid, or it defines no search.
        RunError: `runs` is not a directory.
    """
    found = load_experiment(
        path, overrides, scale=scale, runs=runs, storage=storage, data_root=data_root, download=download, images=images,
        device=device,
    )  # fmt: skip
    if not isinstance(found, SearchExperiment):
        raise StudyError(f"{_named(path)} defines no search; use {_command('run', path)}")
    return found


def load_experiment(
    path: str | Path | Mapping[str, Any],
    overrides: Iterable[str] = (),
    *,
    scale: str = "",
    runs: str | Path = "runs",
    storage: str = "",
    data_root: str | Path | None = None,
    download: bool = False,
    images: str | Path | Sequence[str | Path] = (),
    device: str = "auto",
) -> AnyExperiment:
    """The experiment, the search or the experiment with a training program of a study.

    Args:
        path, overrides, scale, runs, storage, data_root, download, images, device: As in load_study().

    Raises:
        StudyError: The file is missing or not valid.
        RunError: `runs` is not a directory.
    """
    runs = Path(runs)
    if os.path.lexists(runs) and not runs.is_dir():  # a link may lead nowhere
        raise RunError(f"`runs`: {runs} is not a directory")

    load_any = partial(
        load_any_study,
        overrides=tuple(overrides),
        scale=scale,
        copies=read_copies([str(each) for each in ([images] if isinstance(images, (str, Path)) else images)]),
        remembered=remembered_copies(runs),
        recorded=cache(partial(recorded_data, runs)),
    )

    def experiment(precision: Callable[[], str]) -> AnyExperiment:
        """The experiment in which `precision: auto` is a precision."""
        return _experiment(path, partial(load_any, precision=precision), scale, runs, storage, data_root, download)

    found = experiment(cache(lambda: (remembered_precision(runs) or chosen_precision(device)).name))
    auto = found.study.auto_precision if isinstance(found.study, Study) else ""
    # Records of an earlier version, or of a run that named a precision, are found too. A search keeps what it has read, so
    # copies are asked.
    if auto and runs.exists() and not replace(found).begun:
        others = (experiment(partial(str, name)) for name in CHOSEN if name != auto)
        return next((other for other in others if replace(other).begun), found)
    return found


def _experiment(
    path: str | Path | Mapping[str, Any],
    load: Callable[[Any], Study | ProgramStudy],
    scale: str,
    runs: Path,
    storage: str,
    data_root: str | Path | None,
    download: bool,
) -> AnyExperiment:
    """The experiment of the study that `load` reads from `path`."""
    document = open_document(path)
    root = Path(data_root) if data_root else None
    if "studies" in document.value:
        together = read_together(document, scale, load)._asdict()
        return Experiment(**together, runs=runs, data_root=root, download=download)
    study = load(path)
    if study.search:
        return SearchExperiment(study, Path(_named(path)).name, runs, storage, find_location(root, download))
    if isinstance(study, ProgramStudy):
        of_program = tuple(program_tunings(study)) if study.tune else ()
        return ProgramExperiment(study=study, runs=runs, tunings=of_program, storage=storage)
    enumeration, baselines = enumerate_within(study, runs)
    if not isinstance(study.effects, bool):  # it names factors, which must be crossed
        titles = [one.data.title for one in enumeration.variants]
        find_crossings(enumeration.variants, titles, study.effects, study.places["effects"])
    return Experiment(
        study=study,
        enumeration=enumeration,
        baselines=baselines,
        runs=runs,
        data_root=root,
        download=download,
        tunings=tuple(network_tunings(study, enumeration.variants)) if study.tune else (),
        storage=storage,
    )


def _named(path: str | Path | Mapping[str, Any]) -> str:
    """What messages and reports call a study: its path; a mapping is "study"."""
    return "study" if isinstance(path, Mapping) else str(path)


def _command(name: Literal["search", "run"], path: str | Path | Mapping[str, Any]) -> str:
    """What a message says to use for a study: a command, or for a mapping a function."""
    if isinstance(path, Mapping):
        return {"search": "load_search()", "run": "load_study()"}[name]
    return f"`ablate {name} {path}`"
