"""Simulates `seeds: {until: decided}`: false verdicts, power, and seeds against fixed numbers and other sequential methods.

python -m tests.statistics.sequential_simulation [--studies N] [--figure FILE.png]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ablate.statistics.sequential import MOST, Rule, _fixed_power, _signed_rank_counts, _tail, decide

Noise = Callable[[np.random.Generator, tuple[int, ...]], NDArray[np.float64]]
RULE = Rule(first=4, most=20, alpha=0.05, margin=1.5)  # in standard deviations of an error
EFFECTS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0)  # in the same unit
NOISES: dict[str, Noise] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "skewed (exponential)": lambda rng, shape: rng.exponential(size=shape) - 1.0,
    "very skewed (log-normal)": lambda rng, shape: (np.exp(rng.standard_normal(shape)) - 1.65) / 2.16,
    "heavy tails (t, 3 df)": lambda rng, shape: rng.standard_t(3, shape) / np.sqrt(3.0),
    "variants spread twice as far": lambda rng, shape: (
        rng.standard_normal(shape) * np.where(np.arange(shape[1]) > 0, 2.0, 1.0)[:, None]
    ),
    "ties (a grid of half an SD)": lambda rng, shape: np.round(2.0 * rng.standard_normal(shape)) / 2.0,
}


class FalseVerdicts(NamedTuple):
    """The share of studies with a false verdict.

    Args:
        noise: The name of the noise.
        comparisons: How many a study has.
        correlation: Of the errors of one seed.
        alone: Studies in which an equal pair is called different, where nothing is called equivalent.
        different: The same, where pairs are also called equivalent and then stop.
        equivalent: Studies in which a pair that is the margin apart is called equivalent.
        naive: Studies in which a test for a fixed number, read after every seed, calls an equal pair different.
        raised: As `alone`, where `to` is raised to 50 for what was not decided.
    """

    noise: str
    comparisons: int
    correlation: float
    alone: float
    different: float
    equivalent: float
    naive: float
    raised: float


class Seeds(NamedTuple):
    """What one comparison of several needs at a true difference; the others have none.

    Args:
        comparisons: How many a study has.
        effect: The true difference in standard deviations of an error.
        power: How often it is called different.
        mean: The mean number of its seeds.
        fixed: The fixed number of seeds of the same power, at most 99%; None where there is no difference.
        betting_power: The power of the e-process.
        betting_mean: Its mean number of seeds.
    """

    comparisons: int
    effect: float
    power: float
    mean: float
    fixed: int | None
    betting_power: float
    betting_mean: float


def differences(
    rng: np.random.Generator,
    noise: Noise,
    studies: int,
    k: int,
    correlation: float,
    effect: NDArray[np.float64] | float,
    seeds: int = RULE.most,
) -> NDArray[np.float64]:
    """Errors of k variants minus those of the baseline, of shape (studies, k, seeds).

    Args:
        rng: Draws the errors.
        noise: Of the errors.
        studies: How many.
        k: Comparisons of a study.
        correlation: Of the errors of one seed, 0 to below 1.
        effect: The true differences.
        seeds: How many.
    """
    own = noise(rng, (studies, k + 1, seeds))
    common = rng.standard_normal((studies, 1, seeds))
    errors = np.sqrt(1.0 - correlation) * own + np.sqrt(correlation) * common
    return errors[:, 1:] - errors[:, :1] + np.broadcast_to(np.asarray(effect), (k,))[:, None]


def false_verdicts(
    studies: int, sizes: tuple[int, ...] = (1, 5, 17), noises: tuple[str, ...] = tuple(NOISES)
) -> Iterator[FalseVerdicts]:
    """The false verdicts under each noise, for each number of comparisons and correlation.

    Args:
        studies: How many are simulated of each.
        sizes: The numbers of comparisons.
        noises: The names of the noises.
    """
    for name in noises:
        for k in sizes:
            for correlation in (0.0, 0.5):
                rng = np.random.default_rng(k)
                longer = differences(rng, NOISES[name], studies, k, correlation, 0.0, MOST)
                drawn = longer[..., : RULE.most]
                alone = decide(replace(RULE, margin=None), drawn, [0] * k).verdict
                raised = decide(replace(RULE, margin=None, most=MOST), longer, [0] * k).verdict
                equal = decide(RULE, drawn, [0] * k).verdict
                apart = decide(RULE, drawn + RULE.margin, [0] * k).verdict
                naive = (_looks(drawn) <= RULE.alpha / k).any((1, 2))
                rates = ((alone == 1).any(1), (equal == 1).any(1), (apart == 2).any(1), naive, (raised == 1).any(1))
                yield FalseVerdicts(name, k, correlation, *(float(rate.mean()) for rate in rates))


def seeds(studies: int, sizes: tuple[int, ...] = (1, 5, 17)) -> Iterator[Seeds]:
    """Power and mean number of seeds over the effects, with a correlation of 0.5; nothing is called equivalent.

    Args:
        studies: How many are simulated of each.
        sizes: The numbers of comparisons.
    """
    rule = replace(RULE, margin=None)
    for k in sizes:
        for effect in EFFECTS:
            rng = np.random.default_rng(k)
            lone = np.where(np.arange(k) == 0, effect, 0.0)
            drawn = differences(rng, NOISES["normal"], studies, k, 0.5, lone)
            found = decide(rule, drawn, [0] * k)
            power = float((found.verdict[:, 0] == 1).mean())
            fixed = _fixed(np.moveaxis(drawn[:600], 1, 2), min(power, 0.99)) if effect else None
            values = betting(drawn[:, 0])[:, rule.first - 1 :] >= k / rule.alpha
            hit = values.any(1)
            at = np.where(hit, rule.first + values.argmax(1), rule.most)
            yield Seeds(k, effect, power, float(found.n[:, 0].mean()), fixed, float(hit.mean()), float(at.mean()))


def betting(drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    """The wealth, after each seed, of bets on the signs of symmetric differences, a mixture of twelve bettors.

    Each bets on the sign of a difference whose size it has seen: 2 / (1 + exp(-2 t d / s)), the likelihood ratio of a
    normal alternative, with s the mean size so far. It is an e-process: with a probability of 1 - alpha it is never above
    1 / alpha.

    Args:
        drawn: Differences, of shape (studies, seeds).

    Source: Ramdas, Ruf, Larsson and Koolen, Admissible anytime-valid sequential inference, 2020. Waudby-Smith and Ramdas,
    Estimating means of bounded random variables by betting, 2023.
    """
    scaled = drawn / (np.cumsum(np.abs(drawn), 1) / np.arange(1, drawn.shape[1] + 1))
    bets = np.array([sign * size for size in (0.25, 0.5, 1, 2, 4, 8) for sign in (1, -1)])
    logs = np.cumsum(np.log(2.0) - np.logaddexp(0.0, -2.0 * bets[:, None, None] * scaled), -1)
    return np.exp(logs).mean(0)


def _fixed(drawn: NDArray[np.float64], power: float) -> int:
    """The fewest seeds with which a fixed design has a power; RULE.most + 1 if it has not. See statistics/family.py."""
    low, high = 2, RULE.most + 1
    while low < high:
        n = (low + high) // 2
        low, high = (low, n) if _fixed_power(drawn[:, :n], RULE.alpha) >= power else (n + 1, high)
    return high


def _looks(drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    """The two-sided p-value of the signed-rank test for a fixed number of seeds, at each look."""
    counts = _signed_rank_counts(drawn, 0.0, 1)
    found = []
    for n in range(RULE.first, RULE.most + 1):
        tail, at = np.array(_tail(n)), counts[..., n - 1]
        found.append(np.minimum(1.0, 2 * np.minimum(tail[at], tail[n * (n + 1) // 2 - at])))
    return np.stack(found, -1)


def markdown(wrong: list[FalseVerdicts], needed: list[Seeds], studies: int) -> str:
    """The two tables.

    Args:
        wrong: As returned by false_verdicts().
        needed: As returned by seeds().
        studies: How many were simulated of each.
    """
    error = 2 * np.sqrt(RULE.alpha * (1 - RULE.alpha) / studies)
    lines = [
        f"Share of {studies:,} studies with a false verdict (4 to 20 seeds, alpha 0.05; simulation error ±{error:.1%}):",
        "",
        "| noise | comparisons | correlation | false `different` | `to` raised to 50 | with `equivalent` | "
        "false `equivalent` | fixed test |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for a in wrong:
        rates = " | ".join(f"{rate:.1%}" for rate in (a.alone, a.raised, a.different, a.equivalent, a.naive))
        lines.append(f"| {a.noise} | {a.comparisons} | {a.correlation:g} | {rates} |")
    lines += [
        "",
        "Seeds of a comparison with a true difference, in standard deviations of an error (correlation 0.5):",
        "",
        "| comparisons | difference | power | mean seeds | fixed number of equal power | betting: power | mean seeds |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for b in needed:
        fixed = "" if b.fixed is None else "more than 20" if b.fixed > RULE.most else str(b.fixed)
        shares = f"{b.power:.0%} | {b.mean:.1f} | {fixed} | {b.betting_power:.0%} | {b.betting_mean:.1f}"
        lines.append(f"| {b.comparisons} | {b.effect:g} | {shares} |")
    return "\n".join(lines)


def draw(wrong: list[FalseVerdicts], needed: list[Seeds], path: Path) -> None:
    """Draw the figure: false verdicts on the left, seeds over the effect on the right.

    Args:
        wrong: As returned by false_verdicts().
        needed: As returned by seeds().
        path: A PNG file.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    names = [f"{a.noise}, {a.comparisons}" for a in wrong if a.correlation == 0.5]
    rows = np.arange(len(names))
    half = [a for a in wrong if a.correlation == 0.5]
    left.plot([100 * a.naive for a in half], rows, "x", color="0.55", label="fixed-number test after every seed")
    left.plot([100 * a.alone for a in half], rows, "o", color="C0", label="false `different`")
    left.plot([100 * a.equivalent for a in half], rows, "s", color="C2", mfc="none", label="false `equivalent`")
    left.axvline(100 * RULE.alpha, color="C3", lw=1)
    left.set(yticks=rows, yticklabels=names, xlabel="studies with a false verdict, %", xlim=(0, None))
    left.set_title("Noise and number of comparisons; line: alpha", fontsize=10)
    left.tick_params(axis="y", labelsize=7)
    left.invert_yaxis()
    left.legend(fontsize=7, frameon=False)
    for colour, k in enumerate(dict.fromkeys(b.comparisons for b in needed)):
        of = [b for b in needed if b.comparisons == k and b.effect]
        effects = [b.effect for b in of]
        right.plot(effects, [b.mean for b in of], "o-", ms=4, color=f"C{colour}", label=f"mean, {k} compared")
        right.plot(
            effects, [b.fixed for b in of], "_", ms=12, mew=2, color=f"C{colour}", label="fixed number of equal power"
        )
    right.set(
        xlabel="true difference, standard deviations of an error", ylabel="seeds", ylim=(0, 21), yticks=range(0, 21, 4)
    )
    right.set_title("Seeds until it is decided", fontsize=10)
    right.legend(fontsize=7, frameon=False, loc="upper right")
    figure.savefig(path, dpi=150)


def main() -> None:
    """Simulate, print the tables and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=10_000)
    parser.add_argument("--figure", type=Path)
    asked = parser.parse_args()
    wrong, needed = list(false_verdicts(asked.studies)), list(seeds(asked.studies))
    print(markdown(wrong, needed, asked.studies))
    if asked.figure:
        draw(wrong, needed, asked.figure)


if __name__ == "__main__":
    main()
