"""What a study's summaries say together: each against its baseline, and beside the published value."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ablate.records.imported import Imported
from ablate.report.published import Logged, Match, find_log, find_published, rows_without_variant
from ablate.report.ranking import RankStability, order_agreement, rank_stability
from ablate.report.statistics import INTERVAL_FROM, Description, Verdict, reach_verdicts
from ablate.report.summary import Summary
from ablate.report.tables import counted
from ablate.study.study import Published, PublishedRow, Study


@dataclass(frozen=True)
class Analysis:
    """The summaries of a study in order, each with the one it is compared with (itself, if it is a baseline)."""

    study: Study
    summaries: tuple[Summary, ...]
    baselines: tuple[Summary | None, ...]
    imported: tuple[Imported, ...] = ()

    def baseline(self, summary: Summary) -> Summary | None:
        return self._baseline_of.get(id(summary))

    def match(self, summary: Summary) -> Match | None:
        """The published value of a variant."""
        return self._matches.get(id(summary))

    def log(self, summary: Summary) -> Logged | None:
        """What an imported log says of a variant's network and data."""
        return find_log(summary, self.imported)

    def verdict(self, summary: Summary) -> Verdict | None:
        """A variant against its baseline, among all comparisons of the study; None if one of the two has no seed yet."""
        return self.verdicts.get(id(summary))

    @cached_property
    def _baseline_of(self) -> dict[int, Summary | None]:
        return {id(summary): baseline for summary, baseline in zip(self.summaries, self.baselines)}

    @cached_property
    def _matches(self) -> dict[int, Match]:
        return {id(s): match for s in self.summaries if (match := find_published(self.study, s))}

    @cached_property
    def rows_without_variant(self) -> list[tuple[Published, PublishedRow]]:
        return rows_without_variant(self.study, self.summaries)

    @cached_property
    def verdicts(self) -> dict[int, Verdict]:
        """By the id of the summary."""
        compared = [
            (summary, baseline)
            for summary, baseline in zip(self.summaries, self.baselines)
            if baseline is not None and baseline is not summary and summary.n and baseline.n
        ]
        reached = reach_verdicts([((s.name, s.error_by_seed), (b.name, b.error_by_seed)) for s, b in compared])
        return {id(s): verdict for (s, _), verdict in zip(compared, reached)}

    def as_json(self, summary: Summary) -> dict[str, Any]:
        """Stable field names: the seeds, against the baseline, beside the published value."""
        baseline, verdict, match = self.baseline(summary), self.verdict(summary), self.match(summary)
        return {
            **summary.as_json(),
            "baseline": baseline and baseline.label,
            "against_baseline": verdict and {**verdict.comparison._asdict(), "p_holm": verdict.adjusted_p},
            "published": match
            and {"error": match.error, "source": match.published.source, "protocol_differs": list(match.differences)},
        }

    @property
    def sentences(self) -> list[str]:
        """What the seeds can and cannot say: each variant against its baseline, the order, the published values."""
        compared = [f"{self._on(s)}{self.verdicts[id(s)].sentence}" for s in self.summaries if id(s) in self.verdicts]
        return [*compared, *self._order_sentences(), *self._published_sentences()]

    def stability(self, title: str) -> RankStability | None:
        """How firm the order of the variants on one data set is; None with too few seeds or variants."""
        return self._stabilities[title]

    @cached_property
    def _stabilities(self) -> dict[str, RankStability | None]:
        return {title: rank_stability([summary.error_by_seed for summary in self.on(title)]) for title in self.titles}

    def on(self, title: str) -> list[Summary]:
        """The summaries with seeds on a data set."""
        return [summary for summary in self.summaries if summary.n and summary.variant.data.title == title]

    @property
    def titles(self) -> list[str]:
        """The data sets with recorded seeds."""
        return list(dict.fromkeys(summary.variant.data.title for summary in self.summaries if summary.n))

    def _on(self, summary: Summary) -> str:
        return f"On {summary.variant.data.title}, " if len(self.titles) > 1 else ""

    def _order_sentences(self) -> Iterator[str]:
        for title in self.titles:
            where = f" on {title}" if len(self.titles) > 1 else ""
            if (stability := self.stability(title)) and len(self.on(title)) > 2:
                few = min(summary.n for summary in self.on(title)) < INTERVAL_FROM
                yield (
                    f"Drawing these seeds again, with replacement, the same network comes first{where} in "
                    f"{stability.same_first:.0%} of {stability.draws:,} draws and the whole order stays in "
                    f"{stability.same_order:.0%}{'; so few seeds make an order look firmer than it is' if few else ''}."
                )

    def _published_sentences(self) -> Iterator[str]:
        for title in self.titles:
            matched = {s.label: (s, match) for s in self.on(title) if (match := self.match(s)) and s.median is not None}
            ours = {name: s.median for name, (s, _) in matched.items() if s.median is not None}
            agreement = order_agreement(ours, {name: match.error for name, (_, match) in matched.items()})
            if agreement.tau is not None and agreement.names > 2:
                same = not any(match.differences for _, match in matched.values())
                yield (
                    f"{agreement.concordant} of the {agreement.pairs} pairs of networks stand in the published order "
                    f"(Kendall's tau {agreement.tau:.2f}{'' if same else '; the protocols differ'})"
                    f"{f', {agreement.tied} of them equal on either side' if agreement.tied else ''}"
                    f"{f' on {title}' if len(self.titles) > 1 else ''}."
                )
            for summary, match in matched.values():
                if not match.differences and summary.description:
                    yield f"{self._on(summary)}{_reproduced(summary, summary.description, match)}"


def _reproduced(summary: Summary, seeds: Description, match: Match) -> str:
    """What may be said of a published value that was come by as ours was."""
    low, high = seeds.interval
    within = "within" if low <= match.error <= high else "below" if match.error < low else "above"
    if seeds.n == 1:
        ours = f"{_percent(low)} another" if math.isfinite(low) else "diverged"
        return f"{summary.name}: the published {match.error:.2f}% is one run, ours {ours}."
    return (
        f"{summary.name}: the published {match.error:.2f}% lies {within} our {seeds.interval_kind}, "
        f"{low:.2f} to {_percent(high)} ({counted(seeds.n, 'seed')})."
    )


def _percent(error: float) -> str:
    return f"{error:.2f}%" if math.isfinite(error) else "diverged"
