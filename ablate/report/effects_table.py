"""The table of the effects of a study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ablate.report.effects import MOST_NAMED, FactorEffects, StudyEffects
from ablate.report.effects_sentences import is_found, mover
from ablate.report.numbers import UnitFormat, counted, interval_text, p_text
from ablate.report.table import NO_VALUE, Cell, Column, Footnotes, Table, make_table, number, words
from ablate.report.verdicts import listed

if TYPE_CHECKING:
    from ablate.statistics.effects import Change, Effect

APPROXIMATE = "approximate, by permuted residuals"


def effects_tables(effects: StudyEffects, name: str) -> list[Table]:
    """The table of each crossing of a study.

    Args:
        effects: Of the study.
        name: Of the study.
    """
    groups = effects.groups
    labels = [f"{name}_effects{f'_{i}' if len(groups) > 1 else ''}" for i in range(1, len(groups) + 1)]
    return [_effects_table(group, label) for group, label in zip(groups, labels)]


def _effects_table(group: FactorEffects[Any], label: str) -> Table:
    """One row per change of a factor and per interaction of two, then the shares of what is left."""
    notes, write = Footnotes(), group.format
    tests = {effect.test for effect in group.found.effects if effect.p_value is not None}
    shapley = len(group.crossing.factors) > 2 and bool(group.shapley)
    titles = ["Effect", "From → to", "Means", "Change", *(["95% interval", "p", "p (Holm)"] if tests else []), "Share"]
    titles += ["Shapley value"] if shapley else []
    rows: list[list[Cell]] = []
    for effect in group.found.effects:
        for place, change in enumerate(effect.changes or (None,)):
            first = place == 0
            row = _where(group, effect, change, notes, first)
            row.append(NO_VALUE if change is None else number(change.estimate, write.signed, bold=is_found(effect)))
            if tests:
                mark = notes.mark(APPROXIMATE) if len(tests) > 1 and effect.test == "residuals" and first else ""
                row.append(NO_VALUE if change is None else _interval(change, write))
                of_effect = [number(effect.p_value, p_text, mark), number(effect.adjusted_p, p_text)]
                row += of_effect if first else [NO_VALUE] * 2
            row.append(number(effect.eta_squared, _share) if first else NO_VALUE)
            row += [_shapley_cell(group, effect) if first else NO_VALUE] if shapley else []
            rows.append(row)
    if group.found.other > 1e-9:
        rows.append(_rest(group.other, group.found.other, titles))
    if len(group.keys) > 1:
        rows += [_rest("seed", group.found.seeds, titles), _rest("noise", group.found.noise, titles)]
    columns = [Column(title, title not in ("Effect", "From → to")) for title in titles]
    details = _details(group, bool(tests), shapley)
    return make_table(columns, rows, label, _caption(group), notes.notes, "Effects", details)


def _where(group: FactorEffects[Any], effect: Effect, change: Change | None, notes: Footnotes, first: bool) -> list[Cell]:
    """The cells of an effect's name, of what is changed, and of the means before and after."""
    crossing, found, write = group.crossing, group.found, group.format
    mixed = ""
    if effect.aliases:
        names = listed(list(map(group.name_of, effect.aliases)), MOST_NAMED)
        mixed = f"mixed {'in part ' if effect.partial else ''}with {names}"
    name = words(group.name(effect), notes.mark(mixed)) if first else words("")
    if change is None:
        return [name, NO_VALUE, NO_VALUE]
    if len(effect.factors) == 1:
        (factor,) = effect.factors
        ends = [crossing.level(factor, level) for level in (0, change.level)]
        means = [found.levels[factor][level].mean for level in (0, change.level)]
        return [name, words(" → ".join(ends)), Cell(means[1], " → ".join(map(write.value, means)))]
    moved, other = mover(group, effect)
    table = found.cells[effect.factors[0], effect.factors[1]]
    changes = np.diff(table if effect.factors[0] == moved else table.T, axis=0)[0]
    of = f"{crossing.names[moved]}, at {crossing.names[other]} {crossing.level(other, 0)} → {crossing.level(other, 1)}"
    return [name, words(of), Cell(float(changes[1]), " → ".join(write.signed(float(each)) for each in changes))]


def _interval(change: Change, write: UnitFormat) -> Cell:
    return Cell(change.interval[0], interval_text(change.interval, write)) if change.interval else NO_VALUE


def _shapley_cell(group: FactorEffects[Any], effect: Effect) -> Cell:
    if len(effect.factors) > 1:
        return NO_VALUE
    found, write = group.shapley[effect.factors[0]], group.format
    between = f" ({interval_text(found.interval, write)})" if found.interval else ""
    return Cell(found.value, f"{write.signed(found.value)}{between}")


def _rest(name: str, share: float, titles: Sequence[str]) -> list[Cell]:
    """A row with a share only."""
    return [words(name), *(number(share, _share) if title == "Share" else NO_VALUE for title in titles[1:])]


def _share(share: float) -> str:
    return f"{100 * share:.1f}%"


def _caption(group: FactorEffects[Any]) -> str:
    crossing, decision = group.crossing, group.decision
    on = f" on {crossing.title}" if crossing.title else ""
    points = " in points" if decision.unit == "%" else ""
    kind = f"all {len(crossing.rows)} combinations" if crossing.full else f"a fraction of {len(crossing.rows)} combinations"
    return (
        f"Effects{on}: what each choice changes in the {decision.words}{points}, averaged over the other choices and "
        f"{counted(len(group.keys), 'training' if isinstance(group.keys[0], tuple) else 'seed')}, from {kind}."
    )


def _details(group: FactorEffects[Any], tested: bool, shapley: bool) -> list[str]:
    """What the columns mean, and what is left out."""
    found, write = group.found, group.format
    parts = ["The effect of two choices is the difference between what one does at the two levels of the other."]
    if tested:
        tests = [effect.test for effect in found.effects if effect.p_value is not None]
        exact = "p-values are of exchanges of labels within each seed and within the levels of the other factors"
        if {*tests} == {"residuals"}:
            exact = "p-values are of permutations of residuals within each seed, which is approximate"
        family = f", then corrected for {counted(len(tests), 'effect')} (Holm)" if len(tests) > 1 else ""
        parts.append(f"The intervals invert the tests; {exact}{family}; bold where p (Holm) is below 0.05.")
    else:
        parts.append("One seed of so few combinations cannot separate effects from noise.")
    parts.append("Share: of the squared differences between all trainings.")
    if shapley and group.totals:
        first, last = group.totals
        parts.append(
            f"The Shapley values share out the way from {_row(group, 0)} ({write.value(first)}) to {_row(group, 1)} "
            f"({write.value(last)}): they sum to {write.signed(last - first)}."
        )
    return [*parts, *group.left_out]


def _row(group: FactorEffects[Any], level: int) -> str:
    """The row with all factors at one level in words."""
    crossing = group.crossing
    if all(map(crossing.is_component, range(len(crossing.factors)))):
        return ("no component", "all components")[level]
    return ", ".join(f"{name} {crossing.level(i, level)}" for i, name in enumerate(crossing.names))
