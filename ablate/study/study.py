"""The frozen values of a study: Entry, Variant, Trial, Published, Study.

A trial is identified by its definition: its id is a hash of everything that can change its result, and of nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

import orjson

from ablate.data.augmentation_lists import own_steps
from ablate.data.copies import Copy
from ablate.files import content_id
from ablate.kinds.figures import USUAL_STYLE, FigureStyle
from ablate.nets.architecture import Architecture, Blocks, DepthRule
from ablate.nets.blueprint import Blueprint
from ablate.nets.counts import Counts
from ablate.nets.families import axes_of, blueprint, find_family
from ablate.own_code import OwnCode
from ablate.statistics.sequential import Rule
from ablate.study.budget import Budget, BudgetResult
from ablate.study.data import Data, HeldOut, hold_out
from ablate.study.decision import TEST_ERROR, Decision, ShownMeasure
from ablate.study.designs import Design, DesignKind
from ablate.study.document import Recorded
from ablate.study.limits import MeasuredBudget
from ablate.study.recipe import Recipe
from ablate.study.search import Search, Tune
from ablate.study.table_style import NO_LABELS, USUAL, Labels, TableStyle

FORMAT = 1  # of trial.json; a new field is left out at a default that keeps old results, so old ids stay valid


EpochRule = Literal["last", "best"]


@dataclass(frozen=True)
class Entry:
    """One item of `variants`, not yet expanded.

    Args:
        kind: The key that the item has.
        axes: The values of each axis.
        data: The data sets.
        recipe: The recipe, without the changes of recipe.* axes.
        recipe_name: The name of the recipe that `recipe` is a change of.
        stands_for: The published row of each network, in order; empty: the row with the network's own name.
        depth_rule: The layers that a depth counts.
        base: The network that one_at_a_time changes, as written.
        place: "file:line:column" of the item.
        places: The place of each (axis, repr of value).
        folds: The parts of the training images that are held out in turn; empty: each trial has the same data.
        rows: (axes, design) of each variant of leave_one_out, path, factorial and fractional, in order.
        remarks: On the design, one line each.
        labels: The author's name of each row, in order, "" for its own; empty for none.
        kept: The fields of optimizers that the recipe itself writes, which hold for any optimizer of an axis.
    """

    kind: Literal["net", "zip"] | DesignKind
    axes: dict[str, tuple[Any, ...]]
    data: tuple[Data, ...]
    recipe: Recipe
    recipe_name: str
    stands_for: tuple[str, ...]
    depth_rule: DepthRule
    base: Any
    place: str
    places: dict[tuple[str, Any], str] = field(default_factory=dict)
    folds: tuple[HeldOut, ...] = ()
    rows: tuple[tuple[dict[str, Any], Design], ...] = ()
    remarks: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


_NONE: dict[str, Any] = {}  # shared by the variants without labels or tuned values, of which a study may have 100,000


@dataclass(frozen=True, slots=True)
class Variant:
    """One row of a study: architecture + recipe + data.

    Args:
        net: The network's name; it shows the block if the study names a block. Of a network of user-defined code it is what
            varies in the study, such as "norm batch".
        architecture: The network.
        recipe: How it is trained.
        data: The images; with folds, those of the first.
        axes: The values of the study's axes, by name.
        counts: The network's counts, for one image.
        budget_result: How the network meets the budget; None in a study without a budget.
        stands_for: The published row; "": the row with the network's own name.
        recipe_name: The name of the recipe that `recipe` is a change of.
        whole_name: The network's name with all arguments that are written, if `net` is a shorter one; else "".
        folds: The parts of the training images that are held out in turn; empty: each trial has the same data.
        designs: What the variant is in each item of `variants` that has it; empty for a row of `net` or `zip`.
        title: Its name in place of network and axes, such as "w/o layer norm"; "" for none.
        labels: The author's words for its values, by axis.
        words: The author's words for its network, in place of `net` in names; "" for none.
        group: The value of the axis by which the main table is grouped, in words; "" without groups.
        tuned: In a study that tunes its variants, the values by axis that were chosen for this one.
        untuned: The axes whose values are not chosen yet. Such a variant has no trials.
        kept: The fields of optimizers that its recipe and its axes write, which hold for any optimizer that is tuned.
    """

    net: str
    architecture: Architecture
    recipe: Recipe
    data: Data
    axes: dict[str, Any]
    counts: Counts
    budget_result: BudgetResult | None = None
    stands_for: str = ""
    recipe_name: str = ""
    whole_name: str = ""
    folds: tuple[HeldOut, ...] = ()
    designs: tuple[Design, ...] = ()
    title: str = ""
    labels: Mapping[str, str] = field(default_factory=lambda: _NONE)
    words: str = ""
    group: str = ""
    tuned: Mapping[str, Any] = field(default_factory=lambda: _NONE)
    untuned: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    @property
    def blueprint(self) -> Blueprint:
        """The network's blueprint: its layers for these classes and this input shape."""
        return blueprint(self.architecture, *self.data.asked)

    @property
    def blocks_per_group(self) -> Blocks | None:
        """N; None for a network without groups of blocks."""
        return self.architecture.N if find_family(self.architecture.family).has_depth else None

    @property
    def network(self) -> dict[str, Any]:
        """The network's axes by name, in plain values."""
        return axes_of(self.architecture)

    def trials(self, seeds: tuple[int, ...]) -> list[Trial]:
        """One trial a seed, in the order of the seeds; with folds, of each fold in order.

        Args:
            seeds: Whole numbers from 0.
        """
        found: list[Trial] = []
        if self.untuned:
            return found
        for data in [hold_out(self.data, part) for part in self.folds] or [self.data]:
            first = [Trial(self.architecture, self.recipe, data, seed) for seed in seeds[:1]]
            found += first + [first[0].at_seed(seed) for seed in seeds[1:]]
        return found


@lru_cache(maxsize=4096)
def _identity(model: Recipe | Data) -> dict[str, Any]:
    """The model's identity(), cached because many trials share it."""
    return model.identity()


class Defined:
    """A trial, which is known by its definition: canonical JSON of everything that can change its result.

    Attributes:
        seed: Of its random draws.
        unseeded: The definition without the seed, which is the last field.
    """

    seed: int
    unseeded: bytes

    @property
    def names_code(self) -> bool:
        """Whether the definition may name code of the reader's own. It is asked before the definition is made."""
        return True

    @cached_property
    def definition(self) -> bytes:
        """The bytes of trial.json."""
        return b'%s,\n  "seed": %d\n}\n' % (self.unseeded.removesuffix(b"\n}"), self.seed)

    @cached_property
    def id(self) -> str:
        """The first 16 hexadecimal digits of the definition's SHA-256."""
        return content_id(self.definition)


@dataclass(frozen=True)
class Trial(Defined):
    """One training: a variant with a seed.

    Args:
        architecture: The network.
        recipe: How it is trained.
        data: The images.
        seed: Of the initial weights, the order of the images and all other random draws.
    """

    architecture: Architecture
    recipe: Recipe
    data: Data
    seed: int

    def at_seed(self, seed: int) -> Trial:
        """The same training with another seed. The rest of the definition is computed once for both.

        Args:
            seed: The other seed.
        """
        other = Trial(self.architecture, self.recipe, self.data, seed)
        other.__dict__["unseeded"] = self.unseeded  # where cached_property stores it
        return other

    @cached_property
    def unseeded(self) -> bytes:  # type: ignore[override]
        what = {
            "format": FORMAT,
            "network": self.architecture.identity(),
            "data": _identity(self.data),
            "recipe": _identity(self.recipe),
        }
        return orjson.dumps(what, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)

    @property
    def blueprint(self) -> Blueprint:
        """The network's blueprint: its layers for these classes and this input shape."""
        return blueprint(self.architecture, *self.data.asked)

    @property
    def names_code(self) -> bool:
        return bool(self.architecture.code or self.data.own or self.own_code)

    @property
    def own_code(self) -> tuple[OwnCode, ...]:
        """The reader's own code in the data and the recipe; that of the network is known to the architecture."""
        measures = (one.code for one in self.data.own_measures)
        return (*own_steps(self.data.augment), *self.recipe.own_code.values(), *measures)


@dataclass(frozen=True)
class PublishedRow:
    """A row of a published table.

    Args:
        label: As printed.
        architecture: The network; None for a method that is not built here.
        parameters: As printed, such as "1.4M".
        errors: The test error in percent, by data set.
        other: Other printed values, by title and unit.
        not_run: Why the network is not trained here; "" if it is.
        note: A remark on the row.
        values: Other measures, by data set and measure.
    """

    label: str
    architecture: Architecture | None
    parameters: str
    errors: dict[str, float]
    other: dict[str, float | str]
    not_run: str
    note: str
    values: dict[str, dict[str, float]] = field(default_factory=dict)

    def of(self, measure: str) -> dict[str, float]:
        """The published values of a measure, by data set.

        Args:
            measure: Its name, such as "error".
        """
        if measure == TEST_ERROR.measure:
            return self.errors
        return {data: values[measure] for data, values in self.values.items() if measure in values}


@dataclass(frozen=True)
class Published:
    """The values that a source reports, and its protocol, as far as it is stated.

    Args:
        source: Such as "WRN, Table 2".
        note: A remark on the table.
        rows: The rows of the table.
        seeds: How many trainings a value is the median of; None if it is not known.
        recipe: The recipe; None if it is not known.
        data: The known fields of Data, by name.
    """

    source: str
    note: str
    rows: tuple[PublishedRow, ...]
    seeds: int | None
    recipe: Recipe | None
    data: dict[str, Any]

    @property
    def measures(self) -> set[str]:
        """The names of the measures besides the error that some row has."""
        return {measure for row in self.rows for values in row.values.values() for measure in values}


@dataclass(frozen=True, kw_only=True)
class AnyStudy:
    """What a study file says, whether it is of networks or of a training program.

    Args:
        name: Of the study and its reports; with the scale's name, if there is one.
        title: The title in reports.
        source: The paper's table or figure.
        notes: Printed with every table.
        scale: The name of the scale; "" for the study without a scale.
        folder: Of the study file; a program runs there, and modules of the reader's own are searched there.
        seeds: Of each variant; with `until` those that it has at most.
        figures: The names of the figures that the report draws.
        search: The search; None in a study with variants.
        chosen: One sentence for each value that was taken from a search.
        until: How many of the seeds each comparison gets; None: all.
        figure_style: How the figures are drawn.
        effects: The factors whose effects reports show; True: all that are crossed; False: none.
        labels: The author's words for values of axes.
        table: How the main table is shaped.
        tune: The search that every variant is given first, if any.
    """

    name: str
    title: str
    source: str
    notes: str
    scale: str
    folder: Path
    seeds: tuple[int, ...]
    figures: tuple[str, ...]
    search: Search | None = None
    chosen: tuple[str, ...] = ()
    until: Rule | None = None
    figure_style: FigureStyle = USUAL_STYLE
    effects: bool | tuple[str, ...] = True
    labels: Labels = NO_LABELS
    table: TableStyle = USUAL
    tune: Tune | None = None


@dataclass(frozen=True, kw_only=True)
class Study(AnyStudy):
    """One study file of networks, checked. Its variants are not yet enumerated.

    Args:
        data: The first of the study's data sets.
        copies: The images in place of data sets that the file names.
        recipe: The study's recipe; an entry may have another.
        entries: The items of `variants`; of a search, one entry with what all candidates have in common.
        where: The constraint as written, if any.
        budget: The allowed cost of a network, if any.
        measured_budget: The allowed value of a measured cost, if any.
        baseline: A network as written, or values of axes; and its place. None: there is no baseline.
        epoch_rule: "last", or "best": the epoch with the best value of the measure that the study decides by.
        published: The tables of published values.
        panels: (title, networks) of each panel of the curves; empty: one panel a data set.
        places: "file:line:column" of some keys, by key.
        decision: What the variants are compared by.
        held_out: The images that the study decides on: the folds, or the one part; empty: the test images.
        measures: What reports show besides the error.
        auto_precision: What `precision: auto` of the file has become; "" if the file does not say that.
        recorded: As in Document.
    """

    data: Data
    copies: tuple[Copy, ...]
    recipe: Recipe
    entries: tuple[Entry, ...]
    where: str | None
    budget: Budget | None
    baseline: tuple[str | dict[str, Any], str] | None
    epoch_rule: EpochRule
    published: tuple[Published, ...]
    panels: tuple[tuple[str, tuple[str, ...]], ...]
    places: dict[str, str]
    decision: Decision = TEST_ERROR
    held_out: tuple[HeldOut, ...] = ()
    measures: tuple[ShownMeasure, ...] = ()
    measured_budget: MeasuredBudget | None = None
    auto_precision: str = ""
    recorded: Recorded = field(default=tuple, repr=False, compare=False)

    @property
    def baseline_axes(self) -> dict[str, Any]:
        """The values of axes that the baseline has; empty where it is a network, or where there is none."""
        named = self.baseline[0] if self.baseline else {}
        return named if isinstance(named, dict) and "python" not in named else {}
