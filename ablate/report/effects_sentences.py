"""The effects of a study in at most three plain sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ablate.report.effects import MOST_NAMED, FactorEffects, StudyEffects, largest_first
from ablate.report.numbers import UnitFormat, p_text
from ablate.report.verdicts import listed
from ablate.statistics.comparison import ALPHA

if TYPE_CHECKING:
    from ablate.statistics.effects import Change, Effect

MOST = 4  # factors that the first sentence describes one by one


def _sentences(group: FactorEffects[Any]) -> list[str]:
    """Three sentences: what each choice does, what two of them do together, and where the differences come from."""
    on = f"On {group.crossing.title}, " if group.crossing.title else ""
    if all(effect.p_value is None for effect in group.found.effects):
        return [_begin(on, f"one seed of {len(group.crossing.rows)} combinations cannot separate effects from noise.")]
    sentences = [_of_factors(group), _of_pairs(group), _of_shares(group)]
    return [_begin(on, sentence) for sentence in sentences if sentence]


def study_sentences(effects: StudyEffects) -> tuple[str, ...]:
    """The sentences of all crossings of a study."""
    return tuple(text for group in effects.groups for text in _sentences(group))


def effects_finding(effects: StudyEffects) -> list[str]:
    """What each choice does, of the first crossing; and what two do together, where that was found."""
    if not effects.groups:
        return []
    group = effects.groups[0]
    together = any(is_found(effect) for effect in group.found.effects if len(effect.factors) == 2)
    return _sentences(group)[: 2 if together else 1]


def _begin(on: str, sentence: str) -> str:
    if on or sentence[1:2] == " ":  # an axis of one letter, such as k, is not written K
        return f"{on}{sentence}"
    return f"{sentence[:1].upper()}{sentence[1:]}"


def is_found(effect: Effect) -> bool:
    """Whether an effect is significant after the correction for all effects."""
    return effect.adjusted_p is not None and effect.adjusted_p < ALPHA


def _of_factors(group: FactorEffects[Any]) -> str:
    """What each factor does on average over the other choices, the largest share first."""
    mains = largest_first(effect for effect in group.found.effects if len(effect.factors) == 1)
    clear, unclear = [e for e in mains if is_found(e)], [e for e in mains if not is_found(e)]
    parts = []
    for place, effect in enumerate(clear[:MOST]):
        average = " on average over the other choices" if place == 0 else ""
        what = group.decision.words if place == 0 else "it"
        parts.append(_does(group, effect, what, average))
    if len(clear) > MOST:
        parts.append(f"{listed([group.name(effect) for effect in clear[MOST:]], MOST_NAMED)} change it less")
    mixed = [e for e in unclear if any(is_found(p) and {*e.factors} < {*p.factors} for p in group.found.effects)]
    if mixed:
        names = listed([_with_change(group, effect) for effect in mixed], MOST_NAMED)
        parts.append(f"no average effect of {names} was found, only one that depends on another choice")
    unclear = [effect for effect in unclear if effect not in mixed]
    if unclear:
        names = listed([_with_change(group, effect) for effect in unclear], MOST_NAMED)
        parts.append(
            f"no effect of {names} was found" if parts else f"no effect of {names} on the {group.decision.words} was found"
        )
    return f"{'; '.join(parts)}."


def _does(group: FactorEffects[Any], effect: Effect, what: str, average: str) -> str:
    """What a factor does, such as "dropout 0.3 instead of 0 raises the test error by 6.10 points (5.20 to 7.00)"."""
    (factor,), write = effect.factors, group.format
    the = what if what == "it" else f"the {what}"
    if len(effect.changes) == 1:
        change = effect.changes[0]
        verb = "raises" if change.estimate > 0 else "lowers"
        by = f"{write.distance(abs(change.estimate))}{_between(change, write)}"
        return f"{step(group, factor, change.level)} {verb} {the} by {by}{average}"
    levels = group.found.levels[factor]
    means = [f"{write.with_unit(one.mean)} at {group.crossing.level(factor, i)}" for i, one in enumerate(levels)]
    return f"{group.name(effect)} changes {the}{average}: {', '.join(means)}"


def step(group: FactorEffects[Any], factor: int, level: int = 1) -> str:
    """The change from the first level of a factor to another: "dropout 0.3 instead of 0"; of a component its name.

    Args:
        group: The effects of a crossing.
        factor: The number of the factor.
        level: The number of the other level.
    """
    crossing = group.crossing
    if crossing.is_component(factor):
        return crossing.names[factor]
    name = "" if crossing.is_labelled(factor) else f"{crossing.names[factor]} "
    return f"{name}{crossing.level(factor, level)} instead of {crossing.level(factor, 0)}"


def _between(change: Change, write: UnitFormat) -> str:
    """The interval of a change without its sign: " (5.20 to 7.00)"."""
    if change.interval is None:
        return ""
    low, high = change.interval if change.estimate > 0 else (-change.interval[1], -change.interval[0])
    return f" ({_plain(low, write)} to {_plain(high, write)})"


def _plain(number: float, write: UnitFormat) -> str:
    return f"{'-' if number < 0 else ''}{write.distance(abs(number)).split()[0]}"


def _with_change(group: FactorEffects[Any], effect: Effect) -> str:
    """A factor without a clear effect, and its estimate with the interval: "block (+0.40, -0.30 to +1.10)"."""
    name = group.name(effect)
    if len(effect.changes) != 1:
        return name
    change, write = effect.changes[0], group.format
    if change.interval is None:
        return f"{name} ({write.signed(change.estimate)})"
    low, high = map(write.signed, change.interval)
    return f"{name} ({write.signed(change.estimate)}, {low} to {high})"


def _of_pairs(group: FactorEffects[Any]) -> str:
    """What two factors do together: the interaction with the largest share of those that were found."""
    pairs = [effect for effect in group.found.effects if len(effect.factors) == 2]
    if not pairs:
        return ""
    clear = largest_first(filter(is_found, pairs))
    if not clear:
        tested = [effect.adjusted_p for effect in pairs if effect.adjusted_p is not None]
        if not tested:
            return "one seed cannot tell whether what a choice does depends on another."
        return (
            f"no choice was found to do more or less depending on another (smallest corrected p = {p_text(min(tested))})."
        )
    effect = clear[0]
    aliased = [group.name_of(pair) for pair in effect.aliases]
    also = f"; this design cannot separate that from {listed(aliased, MOST_NAMED)}" if aliased else ""
    others = listed([group.name(other) for other in clear[1:]], MOST_NAMED) if len(clear) > 1 else ""
    more = f"; nor do {others} simply add up" if others else ""
    return f"{_together(group, effect)}{also}{more}."


def _together(group: FactorEffects[Any], effect: Effect) -> str:
    """An interaction: what a factor does at each level of the other."""
    crossing, found, write = group.crossing, group.found, group.format
    sizes = [len(found.levels[factor]) for factor in effect.factors]
    p = "" if effect.adjusted_p is None else f" (corrected p = {p_text(effect.adjusted_p)})"
    if 2 not in sizes:
        return f"what {crossing.names[effect.factors[0]]} does depends on {crossing.names[effect.factors[1]]}{p}"
    moved, other = mover(group, effect)
    table = found.cells[effect.factors[0], effect.factors[1]]
    table = table if effect.factors[0] == moved else table.T
    changes = [
        f"{write.signed(float(change))} {_at(group, other, level)}"
        for level, change in enumerate(np.diff(table, axis=0)[0])
    ]
    unit = " points" if write.distance(1.0).endswith("points") else ""
    told = f"{listed(changes, MOST_NAMED)}{unit and f', in{unit}'}"
    return f"what {step(group, moved)} does depends on {crossing.names[other]}{p}: {told}"


def _at(group: FactorEffects[Any], factor: int, level: int) -> str:
    """A level in words: "at k = 4", "with block B(3,3)", or "without ema" for a component."""
    crossing = group.crossing
    name, text = crossing.names[factor], crossing.level(factor, level)
    if crossing.is_component(factor):
        return f"{text} {name}"
    if crossing.is_labelled(factor):
        return f"for {text}"
    numeric = all(isinstance(each, (int, float)) for each in crossing.factors[list(crossing.factors)[factor]])
    return f"at {name} = {text}" if numeric else f"with {name} {text}"


def mover(group: FactorEffects[Any], effect: Effect) -> tuple[int, int]:
    """The two factors of an interaction: the one of two levels that moves the values most, and the other.

    Args:
        group: The effects of a crossing.
        effect: The interaction.
    """
    levels = group.found.levels

    def moves(factor: int) -> tuple[bool, float]:
        means = [level.mean for level in levels[factor]]
        return len(means) == 2, max(means) - min(means)

    other, moved = sorted(effect.factors, key=moves)
    return moved, other


def _of_shares(group: FactorEffects[Any]) -> str:
    """Where the differences between the trainings come from."""
    found = group.found
    mains = largest_first(effect for effect in found.effects if len(effect.factors) == 1)
    pairs = [effect.eta_squared for effect in found.effects if len(effect.factors) == 2]
    every = group.other == "three or more together"
    shares = [(group.name(effect), effect.eta_squared) for effect in mains[:MOST]]
    rest = sum(effect.eta_squared for effect in mains[MOST:])
    shares += [(f"the other {len(mains) - MOST} choices", rest)] if rest else []
    if pairs or every:  # a small fraction has none that stands apart from the effect of a choice
        shares += [("interactions of choices", sum(pairs) + found.other if every else sum(pairs))]
    shares += [(group.other, found.other)] if not every and found.other > 1e-9 else []
    shares += [("the seed", found.seeds), ("unexplained noise", found.noise)]
    if len(group.keys) < 2 or not any(share for _, share in shares):
        return ""  # without a second seed nothing tells noise from interactions; all values may be equal
    texts = [f"{share:.0%} {'from' if place else 'come from'} {name}" for place, (name, share) in enumerate(shares)]
    return f"of all differences between the {group.trainings} trainings {listed(texts)}."
