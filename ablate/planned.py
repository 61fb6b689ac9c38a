"""What a plan says of each variant of networks, in plain values."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ablate.estimate.cost import PlannedTrial
from ablate.study.budget import BudgetResult, Neighbour
from ablate.study.costs import training_memory
from ablate.study.designs import designs_json
from ablate.study.labels import axis_value, varied_axes
from ablate.study.study import Variant


@dataclass(frozen=True)
class PlannedVariants(Collection[dict[str, Any]]):
    """What a plan says of each variant, made when it is asked for: of 100,000 variants it would take 200 MiB.

    Args:
        variants: Of the study.
        trials: Those of each variant.
        estimates: The "probe" and the "estimate" of each variant, as returned by estimate_cost().
        measure: What the budget limits; None without a budget.
    """

    variants: Sequence[Variant]
    trials: Sequence[Sequence[PlannedTrial]]
    estimates: Sequence[Mapping[str, Any]]
    measure: str | None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        varied = varied_axes(self.variants)
        for variant, trials, estimate in zip(self.variants, self.trials, self.estimates):
            result = variant.budget_result
            yield {
                "net": variant.net,
                **({"title": variant.title} if variant.title else {}),
                **designs_json(variant),
                "network": variant.network,
                "axes": {axis: axis_value(variant, axis) for axis in varied},
                "blocks_per_group": variant.blocks_per_group,
                "parameters": variant.counts.parameters,
                "multiply_adds": variant.counts.multiply_adds,
                "activations": variant.counts.activations,
                "training_memory": training_memory(variant.counts, variant.recipe)._asdict(),
                "trials": [trial._asdict() for trial in trials],
                **({"budget": self._budget(result)} if result else {}),
                **estimate,
            }

    def __len__(self) -> int:
        return len(self.variants)

    def __contains__(self, value: object) -> bool:
        return any(value == one for one in self)

    def _budget(self, result: BudgetResult) -> dict[str, Any]:
        """How a network meets the budget."""
        sides = {side: one and {"net": one.net, "count": one.count} for side, one in _neighbours(result).items()}
        return {"measure": self.measure, "count": result.count, "deviation": result.deviation, **sides}


@lru_cache(maxsize=4096)
def _neighbours(result: BudgetResult) -> dict[str, Neighbour | None]:
    """The networks next to one that was solved. Variants that differ in recipe or data share them."""
    return {"below": result.below, "above": result.above}
