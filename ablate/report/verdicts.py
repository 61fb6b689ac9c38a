"""Verdicts: the comparisons of a family, and the sentences that they allow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ablate.report.numbers import UnitFormat, finite, format_of, interval_text, p_text, p_words, seeds_needed_text, span
from ablate.report.table import NO_VALUE, Cell
from ablate.statistics.comparison import ALPHA, PAIRED_FROM, Comparison
from ablate.statistics.description import LEVEL, Errors, Interval
from ablate.statistics.family import Pairs, compare_family, smallest_p_values
from ablate.statistics.sample_size import SeedsNeeded, seeds_needed

Named = tuple[str, Errors]
LEAST_LEVEL = 0.5  # of an interval that is shown: one seed a side allows 0%, one against two 33%
MOST_NAMED = 3  # variants in a sentence; more are counted
OF = " of "  # in the words of seeds that only some variants lack
MOST_TRIED = 12  # seeds that fewest_seeds() tries; six can already
FOLDS_SHARE = (
    "Any two folds share most of the images that were trained on, so these p-values speak of these images only, not of "
    "other images."
)
# Of a verdict, in table.csv.
COMPARED_COLUMNS = (
    "test", "hodges_lehmann", "interval_low", "interval_high", "interval_level", "probability_better", "probability_low",
    "probability_high", "p_value", "p_family", "p_family_floor", "comparisons", "seeds_needed_low", "seeds_needed_high",
)  # fmt: skip


class Verdict(NamedTuple):
    """A comparison of a family.

    Args:
        name: The name of the variant.
        baseline: The name of its baseline.
        comparison: Of the two alone. Differences are those of the measure, with their sign.
        adjusted_p: The p-value adjusted for the family.
        adjusted_floor: The smallest adjusted p-value that is possible with these seeds.
        family: The number of comparisons in the family.
        needed: The seeds a side that would tell the two apart; see seeds_needed().
    """

    name: str
    baseline: str
    comparison: Comparison
    adjusted_p: float
    adjusted_floor: float
    family: int
    needed: SeedsNeeded | None

    @property
    def reached(self) -> bool:
        """Whether the two differ for sure."""
        return self.adjusted_p < ALPHA

    @property
    def possible(self) -> bool:
        """Whether these seeds can reach a verdict at all."""
        return self.adjusted_floor < ALPHA

    @property
    def apart(self) -> bool:
        """Whether one side wins every pair, of four or more."""
        c = self.comparison
        return c.won in (0, c.pairs) and (c.pairs >= 4 or (c.paired and c.pairs >= 3))


def reach_verdicts(
    variants: Sequence[Named], pairs: Pairs, paired_from: int = PAIRED_FROM, maximized: bool = False
) -> list[Verdict]:
    """The verdicts of a family, in order.

    Args:
        variants: The name and the errors of each variant; of a maximized measure its negative values.
        pairs: For each comparison the index of the variant and that of its baseline.
        paired_from: The fewest common keys that are compared in pairs; 1 for keys of folds.
        maximized: Whether the values are the higher the better.
    """
    found = compare_family([errors for _, errors in variants], pairs, paired_from)
    verdicts = []
    for (ours, theirs), (comparison, p, floor, family) in zip(pairs, found):
        needed = seeds_needed(variants[ours][1], variants[theirs][1], family)
        shown = _mirrored(comparison) if maximized else comparison
        verdicts.append(Verdict(variants[ours][0], variants[theirs][0], shown, p, floor, family, needed))
    return verdicts


def _mirrored(comparison: Comparison) -> Comparison:
    """A comparison of negative values, as one of the values."""
    low, high, level = comparison.interval
    difference = comparison.difference
    return comparison._replace(
        difference=None if difference is None else 0.0 - difference,
        interval=Interval(0.0 - high, 0.0 - low, level),  # 0, not -0
    )


def fewest_seeds(folds: int, variants: int, pairs: Pairs, above: int, paired_from: int = PAIRED_FROM) -> int | None:
    """The fewest seeds, the same for every variant, with which each comparison of a family can reach a verdict.

    Args:
        folds: The folds that each seed is trained on; 1 without folds.
        variants: The number of variants.
        pairs: The comparisons of the family.
        above: The seeds that are too few.
        paired_from: The fewest common keys that are compared in pairs.
    """
    for seeds in range(above + 1, max(above + 1, MOST_TRIED) + 1):
        if max(_smallest_p_values(folds, variants, pairs, seeds, paired_from)) < ALPHA:
            return seeds
    return None


def _smallest_p_values(folds: int, variants: int, pairs: Pairs, seeds: int, paired_from: int) -> list[float]:
    """The smallest possible adjusted p-value of each comparison, if every variant has so many seeds."""
    keys = [[(fold, seed) for fold in range(folds) for seed in range(seeds)]] * variants
    return smallest_p_values(keys, pairs, paired_from)


class PlannedFamily(NamedTuple):
    """What the seeds of a study can say at best, known before anything is trained.

    Args:
        data: The title of the data set; "" for a program.
        comparisons: In the family.
        seeds: Of each variant.
        smallest_p: The smallest adjusted p-value that is possible, whatever the errors will be.
        cannot: How many of the comparisons can reach no verdict.
        seeds_that_can: The fewest seeds with which each can; `seeds` if these can, None if none up to MOST_TRIED do.
    """

    data: str
    comparisons: int
    seeds: int
    smallest_p: float
    cannot: int
    seeds_that_can: int | None


def plan_families(variants: Sequence[tuple[str, int | None]], seeds: int, folds: int = 1) -> list[PlannedFamily]:
    """What each family of a study can say at best; none without seeds or without a baseline.

    Args:
        variants: For each variant the title of its data set and the index of its baseline, which may be its own; None for
            none.
        seeds: The number of seeds.
        folds: The folds that each seed is trained on; 1 without folds.
    """
    paired_from, found = PAIRED_FROM if folds == 1 else 1, []
    for title in dict.fromkeys(title for title, _ in variants):
        pairs = [(i, other) for i, (of, other) in enumerate(variants) if of == title and other is not None and other != i]
        if pairs and seeds:
            smallest = _smallest_p_values(folds, len(variants), pairs, seeds, paired_from)
            cannot = sum(p >= ALPHA for p in smallest)
            enough = fewest_seeds(folds, len(variants), pairs, seeds, paired_from) if cannot else seeds
            found.append(PlannedFamily(title, len(pairs), seeds, min(smallest), cannot, enough))
    return found


def cannot_reach(sample: str, comparisons: int, smallest: float, enough: int | None, cannot: int | None = None) -> str:
    """The sentence that so few seeds can reach no verdict, without its full stop.

    Args:
        sample: Such as "4 seeds", "1 to 4 seeds" or "1 seed of A".
        comparisons: In the family.
        smallest: The smallest adjusted p-value that is possible.
        enough: The fewest seeds that can; None if it is not known.
        cannot: How many of the comparisons can reach none; None: all.
    """
    of = f" for {comparisons} comparisons" if comparisons > 1 else ""
    if cannot is not None and cannot < comparisons:
        of = f" for {cannot} of {comparisons} comparisons"
    use = f"; use {enough} seeds" if enough else ""
    return f"{sample} {be(sample)} too few{of}: p cannot be below {p_text(smallest)}{use}"


def be(sample: str) -> str:
    """The verb of a sample: "is" of "1 seed", "are" of "1 to 2 seeds"."""
    return "is" if sample.startswith("1 ") and not sample.startswith("1 to ") else "are"


def verdict_sentences(
    verdicts: Sequence[Verdict], unit: str = "seed", write: UnitFormat | None = None, enough: int | None = None
) -> Iterator[str]:
    """The conclusions of a family: a sentence for each difference, one for all variants that cannot be told apart.

    Args:
        verdicts: Of the family.
        unit: What one error belongs to: "seed" or "training".
        write: How values are written; None: percentages.
        enough: The fewest seeds with which a verdict can be reached; None if it is not known or these can.
    """
    write = write or format_of("%")
    yield from (told_apart(verdict, unit, write) for verdict in verdicts if verdict.reached)
    open_ = [verdict for verdict in verdicts if not verdict.reached]
    ahead = [verdict for verdict in open_ if verdict.apart]
    for direction, word in ((-1, "better"), (1, "worse")):
        if some := [verdict for verdict in ahead if verdict.comparison.direction == direction]:
            yield _ahead(some, word, unit)
    if alike := [verdict for verdict in open_ if not verdict.apart]:
        yield _alike(alike, unit)
    if never := [verdict for verdict in open_ if not verdict.possible]:
        smallest = min(verdict.adjusted_floor for verdict in never)
        sample, part = too_few(never, unit), len(never) < len(verdicts)
        of = f"{listed([verdict.name for verdict in never])}: " if part and OF not in sample else ""
        yield f"{of}{cannot_reach(sample, 1 if part else never[0].family, smallest, enough)}."


def verdict_values(verdict: Verdict) -> dict[str, Any]:
    """A verdict as plain values under stable names, for JSON and table.csv. What is infinite is None."""
    c, needed = verdict.comparison, verdict.needed or (None, None)
    interval = c.interval if c.interval.level >= LEAST_LEVEL else (None, None, None)
    return {
        "test": "paired" if c.paired else "unpaired",
        "common": c.common,
        "hodges_lehmann": _tidy(c.difference),
        "interval_low": _tidy(interval[0]),
        "interval_high": _tidy(interval[1]),
        "interval_level": interval[2],
        "won": c.won,
        "pairs": c.pairs,
        "probability_better": c.probability,
        "probability_low": c.probability_interval[0],
        "probability_high": c.probability_interval[1],
        "p_value": c.p_value,
        "p_floor": c.floor,
        "p_family": verdict.adjusted_p,
        "p_family_floor": verdict.adjusted_floor,
        "comparisons": verdict.family,
        "seeds_needed_low": finite(needed[0]),
        "seeds_needed_high": finite(needed[1]),
    }


def _tidy(number: float | None) -> float | None:
    return None if (found := finite(number)) is None else round(found, 10)


def told_apart(verdict: Verdict, unit: str, write: UnitFormat) -> str:
    """The sentence of a difference.

    Args:
        verdict: That is reached.
        unit: What one error belongs to: "seed" or "training".
        write: How values are written.
    """
    c = verdict.comparison
    sentence = f"{verdict.name} is {'better' if c.direction < 0 else 'worse'} than {verdict.baseline}"
    if c.difference is not None:
        sentence += f" by {write.distance(abs(c.difference))}"
    interval = "" if c.difference is None else f"{c.interval.level:.0%} interval {interval_text(c.interval[:2], write)}; "
    return f"{sentence} ({interval}{_pairs_won(c, unit)}; {p_words(verdict.adjusted_p)}{_of_family(verdict)})."


def verdict_interval_cell(interval: Interval, write: UnitFormat) -> Cell:
    """The cell of an interval of a difference, with its level where that is below 95%; none below 50%.

    Args:
        interval: Its ends may be infinite.
        write: How values are written.
    """
    if interval.level < LEAST_LEVEL:
        return NO_VALUE
    level = "" if interval.level >= LEVEL else f" ({interval.level:.0%})"
    return Cell(interval.low, f"{interval_text(interval[:2], write)}{level}")


def _of_family(verdict: Verdict) -> str:
    return f" in a family of {verdict.family} comparisons" if verdict.family > 1 else ""


def _pairs_won(comparison: Comparison, unit: str) -> str:
    """How many pairs the better side wins: "at 9 of 10 seeds", "in all 25 seed pairs"."""
    c = comparison
    won = c.won if c.direction < 0 else c.pairs - c.won
    share = f"all {c.pairs}" if won == c.pairs else f"{won:g} of {c.pairs}"
    return f"at {share} {unit}s" if c.paired else f"in {share} {unit} pairs"


def _ahead(verdicts: Sequence[Verdict], word: str, unit: str) -> str:
    """The sentence on variants that win, or lose, every pair, which is no verdict yet."""
    pairs = list(dict.fromkeys(_pairs_won(verdict.comparison, unit) for verdict in verdicts))
    where = pairs[0] if len(pairs) == 1 else f"in every {unit} or pair of them"
    least = min(verdict.adjusted_p for verdict in verdicts)
    p = f"{p_words(least)}{' or more' if len(verdicts) > 1 else ''}{_of_family(verdicts[0])}"
    baselines = list(dict.fromkeys(verdict.baseline for verdict in verdicts))
    if len(baselines) == 1:
        names = [verdict.name for verdict in verdicts]
        be = "is" if len(names) == 1 else "are"
        return f"{listed(names)} {be} {word} than {baselines[0]} {where}, which is no verdict yet: {p}."
    names = [f"{verdict.name} than {verdict.baseline}" for verdict in verdicts]
    return f"{word.capitalize()} {where}, which is no verdict yet ({p}): {listed(names)}."


def _alike(verdicts: Sequence[Verdict], unit: str) -> str:
    """The one sentence on all variants that cannot be distinguished from their baseline."""
    baselines = list(dict.fromkeys(verdict.baseline for verdict in verdicts))
    names = [verdict.name for verdict in verdicts]
    sample = f"with {_sample(verdicts, unit)}"
    if len(baselines) == 1:
        sentence = f"{listed([*names, baselines[0]])} cannot be told apart {sample}"
        if len(names) > 1:
            sentence = f"{listed(names)} cannot be distinguished from {baselines[0]} {sample}"
    else:
        sentence = f"{listed([f'{one.name} from {one.baseline}' for one in verdicts])} cannot be told apart {sample}"
    needed = verdicts[0].needed
    if len(verdicts) == 1 and needed:
        sentence += f"; it takes {seeds_needed_text(needed)} {unit}s"
    return f"{sentence}."


def listed(names: Sequence[str], most: int = 0) -> str:
    """Names in a sentence: "a", "a and b", "a, b and c", or "a, b and 7 more"; "a; b; c" if they contain commas.

    Args:
        names: At least one.
        most: How many are shown; 0: all.
    """
    if 0 < most < len(names):
        names = [*names[: most - 1], f"{len(names) - most + 1} more"]
    if len(names) > 2 and any("," in name for name in names):
        return "; ".join(names)
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _sample(verdicts: Sequence[Verdict], unit: str) -> str:
    """The seeds of the variants, such as "5 seeds" or "3 to 5 seeds"; of paired ones those in common."""
    sizes: list[int] = []
    for c in (verdict.comparison for verdict in verdicts):
        sizes += [c.common] if c.paired else [c.n, c.baseline_n]
    return span(min(sizes), max(sizes), unit)


def too_few(verdicts: Sequence[Verdict], unit: str) -> str:
    """The seeds that allow no verdict: "5 seeds", or "1 to 2 seeds of A and B" where others have more.

    Args:
        verdicts: That are not possible.
        unit: What one error belongs to.
    """
    sizes: dict[str, int] = {}
    for verdict in verdicts:
        c = verdict.comparison
        for name, n in ((verdict.name, c.n), (verdict.baseline, c.baseline_n)):
            sizes[name] = max(sizes.get(name, 0), c.common if c.paired else n)
    few = {name: n for name, n in sizes.items() if n < max(sizes.values())}
    if not few:
        return _sample(verdicts, unit)
    return f"{span(min(few.values()), max(few.values()), unit)} of {listed(list(few), MOST_NAMED)}"
