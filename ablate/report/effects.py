"""The effects of the factors of a study: what each choice does, alone and together with another."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple

from ablate.report.numbers import UnitFormat, counted, finite, format_of
from ablate.report.seeds import S
from ablate.report.verdicts import listed
from ablate.study.crossing import Crossing, find_crossings
from ablate.study.decision import Decision

if TYPE_CHECKING:
    import pandas as pd

    from ablate.statistics.effects import Effect, Effects
    from ablate.statistics.shapley import Contribution

MOST_NAMED = 4  # names that a sentence shows


@dataclass(frozen=True)
class FactorEffects(Generic[S]):
    """The effects of the factors of one crossing of a study.

    Args:
        crossing: The rows and their levels.
        keys: The seeds, or what else tells trainings apart, that every row has and at which none diverged.
        found: The effects over these seeds.
        shapley: The contribution of each factor, where all have two levels and all combinations are there; else empty.
        totals: The mean of the row with all factors at their first level, and of that with all at their second; None
            without Shapley values.
        left_out: What was left out and why, a sentence each.
        decision: What the variants are compared by.
    """

    crossing: Crossing[Any]
    keys: tuple[Any, ...]
    found: Effects
    shapley: tuple[Contribution, ...]
    totals: tuple[float, float] | None
    left_out: tuple[str, ...]
    decision: Decision

    @property
    def format(self) -> UnitFormat:
        """How values of the measure are written."""
        return format_of(self.decision.unit)

    def name(self, effect: Effect) -> str:
        """The name of an effect, such as "dropout" or "dropout × k"."""
        return self.name_of(effect.factors)

    def name_of(self, factors: Sequence[int]) -> str:
        """The name of a factor, or of an interaction of two.

        Args:
            factors: Their numbers.
        """
        return " × ".join(self.crossing.names[factor] for factor in factors)

    @property
    def other(self) -> str:
        """What rows differ in beyond the effects, in words."""
        every = len(self.crossing.tested) == len(self.crossing.factors)
        return "three or more together" if every and self.crossing.full else "other choices and combinations"

    @property
    def trainings(self) -> int:
        """The number of trainings that the effects are computed from."""
        return len(self.crossing.rows) * len(self.keys)


class StudyEffects(NamedTuple):
    """The effects of a study.

    Args:
        groups: One for each crossing, such as for each data set.
        remarks: Why there are none where the design is meant for them, a sentence each.
    """

    groups: tuple[FactorEffects[Any], ...]
    remarks: tuple[str, ...]


def largest_first(effects: Iterable[Effect]) -> list[Effect]:
    """Effects by their share. Equal shares keep their order, though the last bits differ from processor to processor.

    Args:
        effects: In the order of the table.
    """
    return sorted(effects, key=lambda effect: -round(effect.eta_squared, 9))


def study_effects(summaries: Sequence[S], effects: bool | Sequence[str], unit: str) -> StudyEffects:
    """The effects of all crossed factors of a study.

    A seed that some combination lacks, or at which one diverged, is left out of all, because effects compare complete sets.

    Args:
        summaries: One per variant.
        effects: The names of the factors that are wanted; True: all; False: none.
        unit: What one value belongs to: "seed" or "training".
    """
    variants, titles = [summary.variant for summary in summaries], [summary.data_title for summary in summaries]
    crossings, reasons = find_crossings(variants, titles, effects)
    of_variant = {id(summary.variant): summary for summary in summaries}
    groups, remarks = [], [f"{reason[:1].upper()}{reason[1:]}." for reason in reasons]
    for crossing in crossings:
        of_rows = [of_variant[id(variant)] for variant in crossing.rows]
        if (group := _group(crossing, of_rows, unit)) is not None:
            groups.append(group)
        elif any(summary.n for summary in of_rows):
            on = f" on {crossing.title}" if crossing.title else ""
            remarks.append(
                f"No effects{on} yet: no {unit} is recorded, without divergence, for all {len(of_rows)} combinations."
            )
    return StudyEffects(tuple(groups), tuple(remarks))


def _group(crossing: Crossing[Any], summaries: Sequence[S], unit: str) -> FactorEffects[Any] | None:
    """The effects of a crossing; None without a seed that is complete."""
    from ablate.statistics.effects import find_effects
    from ablate.statistics.shapley import shapley_values

    every = list(dict.fromkeys(key for summary in summaries for key in summary.error_by_seed))
    there = [key for key in every if all(key in summary.error_by_seed for summary in summaries)]
    keys = [key for key in there if all(math.isfinite(summary.error_by_seed[key]) for summary in summaries)]
    if not keys:
        return None
    values = [[summary.error_by_seed[key] for key in keys] for summary in summaries]
    components = crossing.full and all(len(levels) == 2 for levels in crossing.factors.values())
    sums = [sum(levels) for levels in crossing.levels]
    ends = [values[sums.index(end)] for end in (0, len(crossing.factors))] if components else []
    return FactorEffects(
        crossing=crossing,
        keys=tuple(keys),
        found=find_effects(values, crossing.levels, crossing.tested),
        shapley=tuple(shapley_values(values, crossing.levels)) if components else (),
        totals=(math.fsum(ends[0]) / len(keys), math.fsum(ends[1]) / len(keys)) if components else None,
        left_out=tuple(_left_out(summaries, every, there, keys, unit)),
        decision=summaries[0].decision,
    )


def _left_out(
    summaries: Sequence[S], every: Sequence[Any], there: Sequence[Any], keys: Sequence[Any], unit: str
) -> list[str]:
    """What is left out of the effects and why."""
    planned = max(summary.planned for summary in summaries)
    found = []
    if missing := planned - len(there):
        found.append(
            f"Effects are of the {counted(len(there), unit)} that all {len(summaries)} combinations have; {missing} of "
            f"{planned} {'is' if missing == 1 else 'are'} not complete."
        )
    if diverged := [key for key in there if key not in keys]:
        names = [s.name for s in summaries if any(not math.isfinite(s.error_by_seed[key]) for key in diverged)]
        found.append(
            f"{counted(len(diverged), unit)} of {len(there)} {'is' if len(diverged) == 1 else 'are'} left out, because "
            f"{listed(names, MOST_NAMED)} diverged there: effects are of trainings that converge."
        )
    return found


def _effect_rows(group: FactorEffects[Any]) -> list[dict[str, Any]]:
    """One row per level mean, change and effect, in plain values under stable names: effects.csv and `--json`."""
    crossing, found = group.crossing, group.found
    base: dict[str, Any] = {"data": crossing.title} if crossing.title else {}
    rows: list[dict[str, Any]] = []
    for factor in crossing.tested:
        for number, level in enumerate(found.levels[factor]):
            low, high = level.interval or (None, None)
            rows.append(
                {**base, "kind": "level", "effect": crossing.names[factor], "level": crossing.level(factor, number)}
                | {"mean": level.mean, "low": low, "high": high}
            )
    for effect in found.effects:
        kind = "main" if len(effect.factors) == 1 else "interaction"
        tests = {
            "df": effect.df,
            "p_value": effect.p_value,
            "p_holm": effect.adjusted_p,
            "test": effect.test if effect.p_value is not None else None,
            "eta_squared": effect.eta_squared,
            "omega_squared": effect.omega_squared,
            "aliases": "; ".join(map(group.name_of, effect.aliases)),
        }
        if kind == "main" and group.shapley:
            value = group.shapley[effect.factors[0]]
            tests |= {"shapley": value.value, **dict(zip(("shapley_low", "shapley_high"), value.interval or (None, None)))}
        for change in effect.changes or (None,):
            more: dict[str, Any] = {}
            if change is not None:
                low, high = change.interval or (None, None)
                more = {"change": change.estimate, "low": low, "high": high}
                if kind == "main":
                    (factor,) = effect.factors
                    more |= {"from": crossing.level(factor, 0), "level": crossing.level(factor, change.level)}
            rows.append({**base, "kind": kind, "effect": group.name(effect), **more, **tests})
    for kind, share in (("other", found.other), ("seed", found.seeds), ("noise", found.noise)):
        rows.append({**base, "kind": kind, "eta_squared": share})
    return rows


def effects_json(effects: StudyEffects) -> dict[str, Any]:
    """The plain values that `ablate report --json` prints under "effects", one mapping per crossing; empty without any."""
    groups = [
        {
            "factors": {name: list(levels) for name, levels in group.crossing.factors.items()},
            "full": group.crossing.full,
            "seeds": [list(key) if isinstance(key, tuple) else key for key in group.keys],
            "left_out": list(group.left_out),
            "noise_sd": finite(group.found.sd),
            "rows": _effect_rows(group),
        }
        for group in effects.groups
    ]
    return {"effects": groups} if groups else {}


def effects_frames(effects: StudyEffects) -> dict[str, pd.DataFrame]:
    """The data frame of effects.csv, by file name without the ending; empty without effects."""
    import pandas as pd

    rows = [row for group in effects.groups for row in _effect_rows(group)]
    return {"effects": pd.DataFrame(rows)} if rows else {}
