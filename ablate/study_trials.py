"""StudyTrials: the variants of a study and the trials that are asked for, be they of networks or runs of a program."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ablate.records.choices import read_choice
from ablate.records.earlier import earlier_remarks
from ablate.records.records import FINAL, state_or_damage, trial_state
from ablate.report.rounds import too_few_seeds
from ablate.report.verdicts import plan_families
from ablate.search.tuning import ANSWERS, variants_at_best
from ablate.study.program import ProgramStudy, ProgramTrial, ProgramVariant
from ablate.study.study import Study, Trial, Variant
from ablate.study.tuning import Tuning

if TYPE_CHECKING:
    from ablate.data.location import Location
    from ablate.report.rounds import Rounds

V = TypeVar("V", Variant, ProgramVariant)
T = TypeVar("T", Trial, ProgramTrial)


@dataclass(frozen=True, repr=False, kw_only=True)
class StudyTrials(ABC, Generic[V, T]):
    """A study with its runs directory, its variants and its trials.

    Args:
        study: From the study file.
        runs: Directory of the records.
        tunings: In a study with `tune`, that of each variant, in order.
        storage: URL of a database or path of a journal file, of the tunings; "": the SQLite file in the runs directory.
    """

    study: Study | ProgramStudy
    runs: Path
    tunings: tuple[Tuning[V], ...] = ()
    storage: str = ""

    @property
    @abstractmethod
    def own_variants(self) -> tuple[V, ...]:
        """The variants at the values that the study file gives them, in order."""

    @property
    @abstractmethod
    def own_baselines(self) -> tuple[V | None, ...]:
        """The baseline of each of own_variants, one of them; None for a variant that has none."""

    @property
    def variants(self) -> tuple[V, ...]:
        """The variants of the study, in order; in a study with `tune` at the values that were chosen, or open."""
        return tuple(variants_at_best(self.tunings, self.runs)) if self.tunings else self.own_variants

    @abstractmethod
    def location(self) -> Location | None:
        """The directories where images are looked for and where they are kept decoded; None for a program."""

    @abstractmethod
    def _analyze(self, variants: Sequence[V]) -> Any:
        """The analysis of the study's variants at some values, in the order of own_variants."""

    @abstractmethod
    def _name(self, variant: V) -> str:
        """A variant's name for people."""

    def _about(self, variant: V, trial: T) -> dict[str, Any]:
        """What tells a trial of a variant from the others, under stable names."""
        return {"seed": trial.seed}

    def _data_title(self, variant: V) -> str:
        """The data set of a variant: those of one are compared."""
        return ""

    @property
    def _folds(self) -> int:
        """The folds that each seed is trained on; 1 without folds."""
        return 1

    def _trials_of(self, variant: V, seeds: tuple[int, ...]) -> list[T]:
        """The trials of a variant."""
        return variant.trials(seeds)  # type: ignore[return-value]

    @property
    def begun(self) -> bool:
        """Whether the runs directory has a trial of the study, or a choice of its tunings."""
        return any(state_or_damage(self.runs, one.id)[0] != "missing" for one in self.trials()) or any(
            read_choice(self.runs, one.id) for one in self.tunings
        )

    @property
    def recorded(self) -> bool:
        """Whether all trials that are asked for are recorded, so that a run trains nothing."""
        untuned = any(variant.untuned for variant in self.variants)
        return not untuned and all(trial_state(self.runs, one.id) in FINAL for one in self.trials())

    def trials(self) -> Sequence[T]:
        """All trials, in the order of the variants and then of the seeds; with `seeds.until` those asked for so far.

        In a study with `tune` the trials of variants that are not tuned yet are not known. With `also_untuned` those of all
        variants at their own values follow.
        """
        return self._trials(self._followed())

    def rounds(self) -> Rounds | None:
        """What the records of a study with `seeds.until` came to, with `tune` at the chosen values; None for other studies.

        Raises:
            RecordError: As analysis().
        """
        return next(iter(self._followed()), None)

    def _followed(self) -> list[Rounds]:
        """The rounds of the variants, then those at their own values if both are trained; none without `seeds.until`."""
        answers = self._answers if self.study.until else []
        return [rounds for variants in answers if (rounds := self._analyze(variants).rounds)]

    def _asked_seeds(self, followed: Sequence[Rounds]) -> list[list[tuple[V, tuple[int, ...]]]]:
        """For each of _answers, its variants, each with the seeds that are asked for."""
        return [
            [(one, followed[n].seeds(i) if followed else self.study.seeds) for i, one in enumerate(variants)]
            for n, variants in enumerate(self._answers)
        ]

    def _asked(self, followed: Sequence[Rounds]) -> list[tuple[str, V, tuple[int, ...]]]:
        """The name of each variant, the variant, and the seeds that are asked for; those at their own values last."""
        answers = zip(self._asked_seeds(followed), ANSWERS)
        return [(self._name(variant) + also, variant, seeds) for asked, also in answers for variant, seeds in asked]

    def _trials(self, followed: Sequence[Rounds]) -> list[T]:
        """The trials that are asked for, each once."""
        found = [trial for _, variant, seeds in self._asked(followed) for trial in self._trials_of(variant, seeds)]
        return list({trial.id: trial for trial in found}.values())

    def named_trials(self) -> list[tuple[str, T]]:
        """The name of its variant and each trial that is asked for, in the order of trials()."""
        asked = self._asked(self._followed())
        return [(name, trial) for name, variant, seeds in asked for trial in self._trials_of(variant, seeds)]

    def known_trials(self) -> set[str]:
        """The ids of all trials that the study may ask for, as far as its variants are tuned."""
        return {trial.id for variants in self._answers for trial in self._all_trials(variants)}

    @property
    def _also_untuned(self) -> bool:
        """Whether the variants are trained at their own values beside those that are tuned."""
        return self.study.tune is not None and self.study.tune.also_untuned

    @property
    def _answers(self) -> list[tuple[V, ...]]:
        """The variants at the values that they are trained at; then at their own, if they are trained at both."""
        return [self.variants, self.own_variants] if self._also_untuned else [self.variants]

    def _all_trials(self, variants: Sequence[V]) -> list[T]:
        """The trials of some variants at all seeds."""
        return [trial for variant in variants for trial in self._trials_of(variant, self.study.seeds)]

    def labels(self) -> dict[str, str]:
        """The label of each trial by its id: the variant's name, and the training as in "fold 2 seed 0"."""
        found = {}
        for variants, also in reversed(list(zip(self._answers, ANSWERS))):
            for variant in variants:
                for trial in self._trials_of(variant, self.study.seeds):
                    training = " ".join(f"{key} {value}" for key, value in self._about(variant, trial).items())
                    found[trial.id] = f"{self._name(variant)} {training}{also}"
        return found

    def earlier(self) -> list[str]:
        """The records under earlier versions of the reader's own code that count for no trial, one sentence a version."""
        return earlier_remarks((one for variants in self._answers for one in self._all_trials(variants)), self.runs)

    def _rounds_remarks(self) -> list[str]:
        """That the most seeds of `seeds.until` are too few to decide anything, if they are."""
        if not self.study.until:
            return []
        pairs = zip(self.own_variants, self.own_baselines)
        compared = [self._data_title(one) for one, base in pairs if base is not None and base is not one]
        return too_few_seeds(self.study.until, compared)

    def _plan_verdicts(self) -> list[dict[str, Any]]:
        """What the seeds can say at best of each data set, before anything is trained; empty with `seeds.until`."""
        if self.study.until:
            return []
        number = {id(variant): i for i, variant in enumerate(self.own_variants)}
        about = [(self._data_title(one), number.get(id(base))) for one, base in zip(self.own_variants, self.own_baselines)]
        return [family._asdict() for family in plan_families(about, len(self.study.seeds), self._folds)]

    def _baselines_among(self, variants: Sequence[V]) -> list[V | None]:
        """The baseline of each variant where the variants are at other values."""
        place = {id(variant): i for i, variant in enumerate(self.own_variants)}
        return [None if one is None else variants[place[id(one)]] for one in self.own_baselines]
