"""How often the tests of ablate/statistics are wrong, and how often they find what is there, by simulation.

    python -m tests.statistics.calibrate                 the tables, in about four minutes on one core
    python -m tests.statistics.calibrate --markdown --figure reports/statistics/calibration.png      for reports/README.md
    python -m tests.statistics.calibrate --studies 500   faster, coarser

A study has k variants and a baseline, n seeds each. The noise has the standard deviation 1; a share of its variance, the
correlation, is common to the variants at a seed. "False, none differs": how often a study in which all are alike has one
false verdict or more; "false, half differ": the same where half of the variants are worse by the shift; "found": the share
of those that are found. The old rule is the unpaired rank sum with Holm's correction.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, rankdata

from ablate.statistics.comparison import ALPHA, PAIRED_FROM, compare
from ablate.statistics.family import adjusted_p_values, directions
from ablate.statistics.further_runs import predict_median
from ablate.statistics.joint_tests import adjust_rank_sums, sign_patterns, step_down, structure_of
from ablate.statistics.rank_tests import over_splits, rank_sum_p, signed_ranks, studentized_rank_sums
from ablate.statistics.ranking import RankInterval, rank_intervals
from ablate.statistics.sample_size import seeds_needed

Floats = npt.NDArray[np.floating[Any]]
STUDIES = 1500
CHUNK = 200
SHIFT = 1.5
Noise = Callable[[np.random.Generator, tuple[int, ...]], Floats]


def normal(generator: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return generator.standard_normal(shape)


def skewed(generator: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Exponential: most errors near the lowest, few far above."""
    return generator.standard_exponential(shape) - 1


def heavy(generator: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Student's t with three degrees of freedom: single seeds that go wrong."""
    return generator.standard_t(3, shape) / math.sqrt(3)


class Scenario(NamedTuple):
    """A kind of study.

    Args:
        title: In the table.
        n: Seeds of each variant.
        k: Comparisons with the baseline.
        correlation: Between two variants at one seed.
        noise: Of one training.
        grid: The step that errors are rounded to, in standard deviations; 0 for none.
        spread: The standard deviation of the variants, that of the baseline being 1.
        baseline_n: Seeds of the baseline, if another number: then no seed is common.
        folds: The folds that the n trainings are shared out to; their effect has this share of `fold_effect`.
        fold_effect: The standard deviation of what a fold adds to all variants.
        interaction: The standard deviation of what a fold adds to one variant.
        centred: Whether that sums to zero over these folds, so that the variant is as good on these images; else it is as
            good on the average of all folds that there could be.
    """

    title: str
    n: int
    k: int = 5
    correlation: float = 0.5
    noise: Noise = normal
    grid: float = 0.0
    spread: float = 1.0
    baseline_n: int | None = None
    folds: int = 1
    fold_effect: float = 0.0
    interaction: float = 0.0
    centred: bool = True


class Rates(NamedTuple):
    """Shares of studies or variants, 0 to 1."""

    false_none: float
    false_half: float
    found: float


def draw(scenario: Scenario, studies: int, generator: np.random.Generator, shift: float) -> tuple[Floats, Floats]:
    """Errors of the variants, of shape (studies, n, k), and of the baseline, (studies, baseline n).

    Of the k variants the first half, rounded up, is worse by the shift.
    """
    s = scenario
    rows = s.baseline_n or s.n
    shared = generator.standard_normal((studies, max(s.n, rows), 1)) * math.sqrt(s.correlation)
    own = math.sqrt(1 - s.correlation)
    if s.baseline_n:
        shared = shared * 0
        own = 1.0
    effects = generator.standard_normal((studies, s.folds, 1)) * s.fold_effect
    varied = generator.standard_normal((studies, s.folds, s.k)) * s.interaction
    varied -= varied.mean(axis=1, keepdims=True) * s.centred
    fold = np.arange(s.n) % s.folds
    variants = shared[:, : s.n] + own * s.noise(generator, (studies, s.n, s.k)) * s.spread
    variants += effects[:, fold] + varied[:, fold]
    variants[:, :, : (s.k + 1) // 2] += shift
    baseline = (shared[:, :rows] + own * s.noise(generator, (studies, rows, 1)))[..., 0]
    if not s.baseline_n:
        baseline += effects[:, fold, 0]
    if s.grid:
        variants, baseline = (np.round(values / s.grid) * s.grid for values in (variants, baseline))
    return variants, baseline


def paired_p(differences: Floats) -> Floats:
    """The adjusted p-values of paired families, of shape (studies, k).

    Args:
        differences: Of shape (studies, n, k).
    """
    signs = sign_patterns(differences.shape[1])
    found = []
    for start in range(0, len(differences), CHUNK):
        part = np.round(differences[start : start + CHUNK], 9)
        pooled = signed_ranks(part)
        together = step_down(np.abs(pooled.sum(axis=1)), [np.abs(signs @ pooled).swapaxes(1, 2)])
        alone = rankdata(np.where(part == 0, 0, np.abs(part)), axis=1) - (part == 0).sum(axis=1, keepdims=True)
        alone = np.maximum(alone, 0) * np.sign(part)
        beyond = np.abs(signs @ alone) >= np.abs(alone.sum(axis=1))[:, None]
        found.append(np.maximum(together, beyond.mean(axis=1)))
    return np.concatenate(found)


def unpaired_p(variants: Floats, baseline: Floats) -> Floats:
    """The adjusted p-values of unpaired families, of shape (studies, k).

    Args:
        variants: Of shape (studies, n, k).
        baseline: Of shape (studies, baseline n).
    """
    n, m, k = variants.shape[1], baseline.shape[1], variants.shape[2]
    observed = studentized_rank_sums(np.moveaxis(variants, 1, 0), np.moveaxis(baseline, 1, 0)[..., None])
    splits = over_splits(tuple(np.arange(1.0, n + m + 1)), n)
    alone = (splits.size - np.searchsorted(splits, observed)) / splits.size
    for study, errors in enumerate(baseline):
        for i, values in enumerate(variants[study].T):
            if np.unique([*values, *errors]).size < n + m:  # ties have a distribution of their own
                alone[study, i] = rank_sum_p(values, errors)
    if k == 1:
        return np.asarray(alone)
    structure = structure_of([m, *[n] * k], [(i, 0) for i in range(1, k + 1)])
    return np.maximum(alone, [adjust_rank_sums(structure, each) for each in observed])


def new_p(scenario: Scenario, variants: Floats, baseline: Floats) -> Floats:
    """By the rule of ablate: paired from six common seeds on, and with folds."""
    if not scenario.baseline_n and (scenario.n >= PAIRED_FROM or scenario.folds > 1):
        return paired_p(variants - baseline[..., None])
    return unpaired_p(variants, baseline)


def old_p(scenario: Scenario, variants: Floats, baseline: Floats) -> Floats:
    """By the rule before: the unpaired rank sum, with Holm's correction."""
    n, m, k = variants.shape[1], baseline.shape[1], variants.shape[2]
    values = np.concatenate([variants, np.broadcast_to(baseline[..., None], (len(baseline), m, k))], axis=1)
    won = rankdata(values, axis=1)[:, :n].sum(axis=1) - n * (n + 1) / 2
    far = np.abs(won - n * m / 2)
    below = np.cumsum(_orders(n, m)) / math.comb(n + m, n)  # how often U is this or less
    p = np.minimum(2 * below[np.ceil(n * m / 2 - far - 1e-9).astype(int)], 1)
    order = np.argsort(p, axis=1)
    steps = np.take_along_axis(p, order, axis=1) * (k - np.arange(k))
    adjusted = np.minimum(np.maximum.accumulate(steps, axis=1), 1)
    found = np.empty_like(p)
    np.put_along_axis(found, order, adjusted, axis=1)
    return found


def _orders(n: int, m: int) -> Floats:
    """How many orders of n and m untied values have each number of pairs won."""
    counts = np.zeros((n + 1, n * m + 1))  # of subsets of the ranks so far, by size and pairs won
    counts[0, 0] = 1
    for rank in range(n + m):
        for size in range(min(rank + 1, n), 0, -1):
            won = rank - (size - 1)
            if won <= m:
                counts[size, won:] += counts[size - 1, : n * m + 1 - won]
    return counts[n]


def rates(
    scenario: Scenario, rule: Callable[[Scenario, Floats, Floats], Floats], studies: int = STUDIES, seed: int = 0
) -> Rates:
    """The error rates and the power of a rule.

    Args:
        scenario: The kind of study.
        rule: new_p or old_p.
        studies: How many are simulated.
        seed: Of the simulation.
    """
    generator = np.random.default_rng(seed)
    none = rule(scenario, *draw(scenario, studies, generator, 0.0)) < ALPHA
    half = rule(scenario, *draw(scenario, studies, generator, SHIFT)) < ALPHA
    worse = (scenario.k + 1) // 2
    false_half = half[:, worse:].any(axis=1).mean() if scenario.k > 1 else math.nan
    return Rates(float(none.any(axis=1).mean()), float(false_half), float(half[:, :worse].mean()))


SCENARIOS = (
    *(
        Scenario(f"{n} seeds, correlation {correlation:g}, {k} comparison{'s' * (k > 1)}", n, k, correlation)
        for n in (3, 5, 6, 10)
        for correlation in (0.0, 0.5)
        for k in (1, 5, 17)
    ),
    Scenario("6 seeds, errors on a grid of half an SD", 6, grid=0.5),
    Scenario("10 seeds, errors on a grid of half an SD", 10, grid=0.5),
    Scenario("5 seeds, errors on a grid of half an SD", 5, grid=0.5),
    Scenario("6 seeds, skewed (exponential)", 6, correlation=0.0, noise=skewed),
    Scenario("10 seeds, skewed (exponential)", 10, correlation=0.0, noise=skewed),
    Scenario("10 seeds, skewed, 17 comparisons", 10, 17, 0.0, skewed),
    Scenario("10 seeds, heavy tails (t, 3)", 10, noise=heavy),
    Scenario("10 seeds, variants spread 3 times as far", 10, correlation=0.0, spread=3.0),
    Scenario("10 seeds, on a grid and 3 times as far", 10, correlation=0.0, grid=0.5, spread=3.0),
    Scenario("5 seeds, on a grid and 3 times as far", 5, correlation=0.0, grid=0.5, spread=3.0),
    Scenario("10 seeds, skewed and 3 times as far", 10, correlation=0.0, noise=skewed, spread=3.0),
    Scenario("5 seeds, variants spread 3 times as far", 5, correlation=0.0, spread=3.0),
    Scenario("10 against 5 seeds, none common", 10, correlation=0.0, baseline_n=5),
    Scenario("6 against 12, variants spread 3 times as far", 6, 1, 0.0, spread=3.0, baseline_n=12),
    Scenario("5 against 20, variants spread 3 times as far", 5, 1, 0.0, spread=3.0, baseline_n=20),
    Scenario("12 against 6, variants spread 3 times as far", 12, 1, 0.0, spread=3.0, baseline_n=6),
    Scenario("5 folds x 2 seeds, folds differ twice as much", 10, folds=5, fold_effect=2.0, correlation=0.0),
    Scenario("5 folds x 3 seeds, each variant in its own way", 15, 1, 0.0, folds=5, fold_effect=2.0, interaction=1.0),
    Scenario("the same, judged for other images than these", 15, 1, 0.0, folds=5, interaction=1.0, centred=False),
)


class Both(NamedTuple):
    """The rates of both rules in studies of one kind."""

    scenario: Scenario
    old: Rates
    new: Rates


def both_rules(studies: int, scenarios: Sequence[Scenario] = SCENARIOS) -> list[Both]:
    """The rates of both rules in each scenario."""
    return [Both(one, rates(one, old_p, studies), rates(one, new_p, studies)) for one in scenarios]


def table(found: Sequence[Both]) -> list[list[str]]:
    """The rows of the table of error rates and power."""
    rows = [["Studies", "False, none differs: old", "new", "False, half differ: old", "new", "Found: old", "new"]]
    for scenario, old, new in found:
        rows.append([scenario.title, *(_percent(value) for both in zip(old, new) for value in both)])
    return rows


def draw_figure(found: Sequence[Both], studies: int, path: Path) -> None:
    """Draw false positives and power of both rules: seeds and correlations with 5 comparisons, ties, and unequal numbers.

    Args:
        found: Of both_rules().
        studies: How many were simulated of each.
        path: A PNG file.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    shown = [one for one in found if one.scenario.k == 5 or one.scenario.baseline_n]
    rows = np.arange(len(shown))
    figure, panels = plt.subplots(1, 2, figsize=(11, 0.24 * len(shown) + 1.1), sharey=True, layout="constrained")
    for panel, what in zip(panels, ("false_none", "found")):
        for mark, colour, rule in (("x", "0.55", "old"), ("o", "C0", "new")):
            label = "old: rank sums, Holm" if rule == "old" else "new: chosen by the design, joint distribution"
            values = [100 * getattr(getattr(one, rule), what) for one in shown]
            panel.plot(values, rows, mark, color=colour, label=label)
        panel.grid(axis="y", color="0.9")
        panel.set_axisbelow(True)
    panels[0].axvline(100 * ALPHA, color="C3", lw=1)
    panels[0].set(yticks=rows, yticklabels=[one.scenario.title for one in shown], xlim=(-0.5, None))
    panels[0].set(xlabel="false positives, % of studies\nwithout a difference (line: allowed)")
    panels[1].set(xlabel=f"power, % of differences\nof {SHIFT:g} standard deviations found", xlim=(-3, 103))
    panels[0].tick_params(axis="y", labelsize=8)
    panels[0].invert_yaxis()
    panels[0].legend(fontsize=8, frameon=False, loc="lower right")
    figure.suptitle(f"{studies:,} simulated studies of each kind", fontsize=10)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _percent(share: float) -> str:
    return "" if math.isnan(share) else f"{share:.1%}"


def interval_coverage(n: int, studies: int, noise: Noise = normal, paired: bool = True) -> tuple[float, float, float]:
    """How often the intervals of the difference and of P(better) contain the true values, and the level that is stated."""
    generator = np.random.default_rng(n)
    shift, hits, better, level = 1.0, 0, 0, 0.0
    below = float((noise(generator, (400_000,)) + shift < noise(generator, (400_000,))).mean())
    for _ in range(studies):
        ours, theirs = noise(generator, (n,)) + shift, noise(generator, (n,))
        found = compare(dict(enumerate(ours)), dict(enumerate(theirs, 0 if paired else n)))
        low, high, level = found.interval
        hits += low <= shift <= high
        better += found.probability_interval[0] <= below <= found.probability_interval[1]
    return hits / studies, better / studies, level


class Best(NamedTuple):
    """How often what is said of the best is right. Shares of studies, 0 to 1.

    Args:
        kept: The truly best one is in the set; of several that are equally good, a certain one.
        all_kept: No variant that is equally good as the best is left out.
        bars: The ranks of all variants are in their intervals at once.
        size: The mean number of variants in the set.
    """

    kept: float
    all_kept: float
    bars: float
    size: float


def best_coverage(n: int, studies: int, lead: float, k: int = 6, correlation: float = 0.5) -> Best:
    """How often what is said of the best is right, with the verdicts against the first variant as a baseline.

    The best is better than the others, which are alike, by `lead`; it is the last of them.
    """
    generator = np.random.default_rng(n)
    shared = generator.standard_normal((studies, n, 1)) * math.sqrt(correlation)
    errors = shared + math.sqrt(1 - correlation) * generator.standard_normal((studies, n, k))
    errors[:, :, -1] -= lead
    pairs = [(i, 0) for i in range(1, k)]
    best = range(k - 1, k) if lead else range(k)
    found = []
    for of_study in errors:
        groups = [dict(enumerate(of_variant)) for of_variant in of_study.T.tolist()]
        intervals = rank_intervals(groups) or [RankInterval(1, k)] * k
        reached = zip(pairs, adjusted_p_values(groups, pairs), directions(groups, pairs))
        worse = {i for (i, _), p, direction in reached if p < ALPHA and direction > 0}
        kept = [interval.best == 1 and i not in worse for i, interval in enumerate(intervals)]
        bars = all(interval.best <= 1 + (i not in best) for i, interval in enumerate(intervals))
        bars &= all(interval.worst >= k - (i in best) * (k - len(best)) for i, interval in enumerate(intervals))
        found.append((kept[-1], all(kept[i] for i in best), bars, sum(kept)))
    return Best(*np.mean(found, axis=0).tolist())


def prediction_coverage(n: int, runs: int, studies: int, noise: Noise = normal) -> tuple[float, float]:
    """How often a median of further runs lies in its prediction interval, and how often within the range of ours."""
    generator = np.random.default_rng(n)
    inside = within = 0
    for ours, later in zip(noise(generator, (studies, n)), np.median(noise(generator, (studies, runs)), axis=1)):
        found = predict_median(list(ours), runs)
        assert found is not None
        inside += found.low <= later <= found.high
        within += ours.min() <= later <= ours.max()
    return inside / studies, within / studies


def power_at_needed(effect: float, studies: int) -> tuple[int, float]:
    """The seeds that a very large pilot names for an effect in SDs of the differences, and the power that they have."""
    quantiles = norm.ppf((np.arange(4000) + 0.5) / 4000)
    pilot = effect + quantiles / quantiles.std(ddof=1)
    needed = seeds_needed(dict(enumerate(pilot)), dict.fromkeys(range(4000), 0.0))
    assert needed is not None
    generator = np.random.default_rng(0)
    n = int(needed.high)
    found = paired_p(generator.standard_normal((studies, n, 1)) + effect) if n < 16 else None
    return n, math.nan if found is None else float((found < ALPHA).mean())


def pilot_ranges(n: int, effect: float, studies: int) -> tuple[float, float, float]:
    """How often the range that a pilot names contains the number that is right, and the median of both its ends."""
    generator = np.random.default_rng(n)
    right = power_at_needed(effect, 1)[0]
    found = [
        seeds_needed(dict(enumerate(values)), dict.fromkeys(range(n), 0.0))
        for values in generator.standard_normal((studies, n)) + effect
    ]
    ends = np.array([each for each in found if each is not None])
    inside = ((ends[:, 0] <= right) & (right <= ends[:, 1])).mean()
    return float(inside), float(np.median(ends[:, 0])), float(np.median(ends[:, 1]))


def coverages(studies: int) -> Iterator[list[str]]:
    """The rows of the table of what intervals promise, and keep."""
    yield ["What", "Promised", "Kept", "Remark"]
    some = max(200, studies // 4)
    for noise, word in ((normal, "normal"), (skewed, "skewed")):
        for n, paired in ((3, False), (5, False), (6, True), (10, True)):
            hits, better, level = interval_coverage(n, some, noise, paired)
            kind = "paired" if paired else "unpaired"
            yield [f"Interval of a difference, {n} seeds, {kind}, {word}", f"{level:.1%}", f"{hits:.1%}", ""]
            yield [f"Interval of P(better), {n} seeds, {kind}, {word}", "95%", f"{better:.1%}", ""]
    for n in (5, 6, 10):
        for lead in (0.0, 1.0):
            best = best_coverage(n, some, lead)
            what = f"The best of 6 is in the set, {n} seeds, ahead by {lead:g} SD"
            remark = f"{best.size:.1f} variants in the set; all bars of `ranks` at once: {best.bars:.1%}"
            equal = "" if lead else f"; all that are equally good: {best.all_kept:.1%}"
            yield [what, "95%", f"{best.kept:.1%}", remark + equal]
    for noise, word in ((normal, "normal"), (skewed, "skewed")):
        for n in (3, 5, 10):
            inside, within = prediction_coverage(n, 5, some * 2, noise)
            what = f"Prediction of a median of 5 runs, {n} seeds, {word}"
            yield [what, "95%", f"{inside:.1%}", f"the range of the seeds: {within:.1%}"]
    for effect in (2.5, 1.5, 1.0):
        n, power = power_at_needed(effect, studies)
        inside, low, high = pilot_ranges(5, effect, some)
        ends = f"{low:,.0f} to {high:,.0f}".replace("inf", "more than 1,000")
        remark = f"a pilot of 5 names {ends} (medians), right in {inside:.0%}"
        yield [f"Power with the seeds needed, effect {effect:g} SD: {n} seeds", "80%", f"{power:.1%}", remark]


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; the first row is the head."""
    head, *body = rows
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def plain(rows: Sequence[Sequence[str]]) -> str:
    """A table for a terminal."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths)).rstrip() for row in rows)


def main(arguments: Any = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Error rates, power and coverage of the statistics of ablate.")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--studies", type=int, default=STUDIES)
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args(arguments)
    write, found = markdown if options.markdown else plain, both_rules(options.studies)
    if options.figure:
        draw_figure(found, options.studies, options.figure)
    print(write(table(found)), write([*coverages(options.studies)]), sep="\n\n")


if __name__ == "__main__":
    main()
