"""make_report(): a study's records -> a Report, which knows its summaries, tables, figures and files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.errors import RunError
from ablate.files import write_atomically
from ablate.nets.notation import remark
from ablate.records.records import trial_state
from ablate.report.growth import Exponent, GrowthPoint, count_networks, growth_exponents, growth_points, net_axes
from ablate.report.summary import EPOCH_RULE, Summary, summarize
from ablate.report.tables import Table, count_rows, counted, growth_rows, table_rows, to_frame, to_latex, to_markdown
from ablate.study.plan import plain
from ablate.study.study import Data, Recipe, Study, Variant

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

TRAINED_FIGURES = ("curves", "errors", "parameters")


@dataclass(frozen=True)
class Report:
    """What a study's records say."""

    study: Study
    summaries: tuple[Summary, ...]
    baseline: Summary | None
    runs: Path

    @property
    def table(self) -> Table:
        return table_rows(self.summaries, self.baseline) if self.study.seeds else count_rows(self.networks)

    @property
    def tables(self) -> list[tuple[str, str, Table]]:
        """(label, caption, table) of each: the study's own, and how counts grow where nothing is trained."""
        own = [(self.study.name, self.caption(), self.table)]
        growth = [(f"{self.study.name}_growth", self._growth_caption(), growth_rows(self.growth))] if self.growth else []
        return own + growth

    @property
    def base(self) -> Variant:
        """The network that the others differ from, where nothing is trained."""
        return (self.baseline or self.summaries[0]).variant

    @property
    def networks(self) -> list[dict[str, Any]]:
        """A row a network of a study without seeds."""
        return count_networks(self.summaries, self.base)

    @cached_property
    def growth_points(self) -> list[GrowthPoint]:
        return [] if self.study.seeds else growth_points([summary.variant for summary in self.summaries], self.base)

    @property
    def growth(self) -> list[Exponent]:
        """How the counts of a study without seeds grow with its axes."""
        return growth_exponents(self.growth_points)

    @property
    def figure_names(self) -> list[str]:
        if self.study.seeds:
            return list(TRAINED_FIGURES) if self.recorded else []
        return ["scaling"] if self.growth_points else []

    @property
    def recorded(self) -> int:
        return sum(summary.n for summary in self.summaries)

    @property
    def planned(self) -> int:
        return sum(summary.planned for summary in self.summaries)

    def as_json(self) -> dict[str, Any]:
        """What `ablate report --json` prints."""
        study = {
            "study": self.study.name,
            "title": self.study.title,
            "data": describe_data(self.study.data, self.varied),
        }
        if not self.study.seeds:
            growth = [exponent._asdict() for exponent in self.growth]
            return {**study, "base": self.base.net, "networks": self.networks, "growth": growth}
        return {
            **study,
            "epoch_rule": EPOCH_RULE,
            "baseline": self.baseline.net if self.baseline else None,
            "summaries": [summary.as_json() for summary in self.summaries],
        }

    @property
    def varied(self) -> set[str]:
        """The recipe.* and data.* axes of the study."""
        return {axis for summary in self.summaries for axis in summary.axes}

    def setting(self, separator: str) -> str:
        """What all variants share of data and recipe, and what is varied."""
        data, recipe = describe_data(self.study.data, self.varied), describe_recipe(self.study.recipe, self.varied)
        word = "Varied" if separator.startswith(".") else "varied"
        varied = [f"{word}: {', '.join(sorted(self.varied))}"] if self.varied else []
        return separator.join([data, recipe, *varied])

    def caption(self) -> str:
        """What the table of this study must say of itself."""
        if not self.study.seeds:
            data = self.study.data
            return (
                f"{self.study.title}. Networks for {data.title}: {data.classes} classes, input "
                f"{'x'.join(map(str, data.input_shape))}. Nothing is trained. Mult-adds and activations: one forward pass "
                "of one image through convolutions and linear layers."
            )
        counts = sorted({summary.n for summary in self.summaries})
        seeds = counted(counts[0], "seed") if len(counts) == 1 else f"{counts[0]} to {counts[-1]} seeds"
        return (
            f"{self.study.title}. Images: {self.setting('. ')}. "
            f"Test error at the last epoch, in percent: median, minimum and maximum over {seeds}."
        )

    def _growth_caption(self) -> str:
        return (
            f"How counts grow with one axis, the others as in {self.base.net}: count ~ axis^exponent, by least squares of "
            "the logarithms over all values, and between the two largest."
        )

    def markdown(self) -> str:
        """table.md: the tables, their figures, what it was made with."""
        study = self.study
        lines = [f"# {study.title}", ""]
        lines += [f"Source: {study.source}.", ""] if study.source else []
        lines += [line for _, caption, table in self.tables for line in (caption, "", to_markdown(table))]
        if self.recorded < self.planned:
            lines += [f"**Incomplete: {self.recorded} of {self.planned} trials are recorded.**", ""]
        remarks = dict.fromkeys(remark(summary.variant.architecture) for summary in self.summaries)
        lines += [line for text in remarks if text for line in (f"{text}.", "")]
        lines += [study.notes, ""] if study.notes else []
        lines += [line for name in self.figure_names for line in (f"![{_ALT_TEXTS[name]}]({name}.svg)", "")]
        if not study.seeds:
            return "\n".join(lines)
        lines += ["## Made with", "", *(f"- {line}" for line in self.made_with()), ""]
        lines += ["Every trial, its id and its provenance are in [trials.csv](trials.csv).", ""]
        return "\n".join(lines)

    def made_with(self) -> list[str]:
        """The versions, devices and code behind the records, and the time they took."""
        records = [record for summary in self.summaries for record in summary.records]
        kinds: Counter[str] = Counter()
        for record in records:
            made = record.result["provenance"]
            revision = (made["revision"] or "release")[:12]
            kinds[
                f"ablate {made['ablate']} ({revision}), torch {made['torch']}, Python {made['python']}, "
                f"{made['device']}, {counted(made['threads'], 'thread')} a trial"
            ] += 1
        lines = [f"{kind}: {counted(n, 'trial')}" for kind, n in sorted(kinds.items())]
        if records:
            seconds = sum(r.result["train_seconds"] + r.result["test_seconds"] for r in records)
            lines.append(f"{seconds / 3600:.2f} device-hours of training and testing")
            lines.append("images: " + ", ".join(sorted({f"digest {r.result['data_digest']}" for r in records})))
        return lines

    def trials_frame(self) -> pd.DataFrame:
        """A row a trial, a column an axis that varies; errors in percent, losses in nats, times in seconds."""
        import pandas as pd

        rows = []
        networks = [summary.variant.network for summary in self.summaries]
        axes = dict.fromkeys(axis for network in networks for axis in network)
        differing = [axis for axis in axes if len({repr(network.get(axis)) for network in networks}) > 1]
        for summary in self.summaries:
            for run in summary.runs:
                result = run.record.result if run.record else {}
                made = result.get("provenance", {})
                rows.append(
                    {
                        "net": summary.net,
                        **{axis: summary.variant.network.get(axis) for axis in differing},
                        **summary.axes,
                        "parameters": summary.variant.counts.parameters,
                        "seed": run.trial.seed,
                        "id": run.trial.id,
                        "state": trial_state(self.runs, run.trial.id),
                        "epoch_rule": result.get("epoch_rule"),
                        **{key: result.get(key) for key in _RESULT_COLUMNS},
                        "attempts": len(result.get("earlier_attempts", ())) + 1 if result else None,
                        **{key: made.get(key) for key in _MADE_COLUMNS},
                    }
                )
        return pd.DataFrame(rows)

    def write(self, out: str | Path) -> list[Path]:
        """Writes tables and figures into out/<study>/ and returns their paths."""
        directory = Path(out) / self.study.name
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise RunError(f"--out: {directory} cannot be a directory, a file is in its place") from None
        files = {
            "table.md": self.markdown().encode(),
            "table.tex": "\n".join(to_latex(table, caption, label) for label, caption, table in self.tables).encode(),
        }
        frames = {f"{name}.csv": frame for name, frame in self._frames().items()}
        files |= {name: frame.to_csv(index=False, lineterminator="\n").encode() for name, frame in frames.items()}
        files |= self._figures()
        for name, data in files.items():
            write_atomically(directory / name, data)
        return [directory / name for name in files]

    def _frames(self) -> dict[str, pd.DataFrame]:
        import pandas as pd

        if self.study.seeds:
            return {"table": to_frame(self.summaries, self.baseline), "trials": self.trials_frame()}
        growth = {"growth": pd.DataFrame(self.growth)} if self.growth else {}
        return {"table": pd.DataFrame(self.networks), **growth}

    def _figures(self) -> dict[str, bytes]:
        if not self.figure_names:
            return {}
        from ablate.report import figures

        return {
            f"{name}.{kind}": figures.to_bytes(figure, kind)
            for name, figure in self._drawn().items()
            for kind in ("png", "svg")
        }

    def _drawn(self) -> dict[str, Figure]:
        from ablate.report import figures

        if not self.study.seeds:
            axes = net_axes(self.base)
            values = [f"{axis} = {plain(axes[axis])}" for axis in dict.fromkeys(point.axis for point in self.growth_points)]
            about = f"Networks for {self.study.data.title}. One axis at a time from {self.base.net}: {', '.join(values)}"
            return {"scaling": figures.draw_growth(self.growth_points, self.base, self.study.title, about)}
        summaries = [summary for summary in self.summaries if summary.n]
        about = self.setting("; ")
        baseline = self.baseline if self.baseline and self.baseline.n else None
        return {
            "curves": figures.draw_curves(summaries, self.study.title, f"{about}; medians over seeds"),
            "errors": figures.draw_errors(summaries, self.study.title, about, baseline),
            "parameters": figures.draw_parameters(summaries, self.study.title, about),
        }


_ALT_TEXTS = {
    "curves": "Training curves, medians over seeds",
    "errors": "Test error by variant",
    "parameters": "Test error against parameters",
    "scaling": "Counts against each axis, relative to the base",
}
_RESULT_COLUMNS = (
    "test_error", "train_error", "test_loss", "train_loss", "epochs", "train_seconds", "test_seconds",
    "train_images", "test_images", "data_digest",
)  # fmt: skip
_MADE_COLUMNS = ("ablate", "revision", "python", "torch", "device", "threads", "started", "finished")


def make_report(study: Study, variants: Sequence[Variant], baseline: Variant | None, runs: Path) -> Report:
    """The report of what is recorded in a runs directory. Raises RecordError."""
    summaries = tuple(summarize(variants, study.seeds, runs))
    of_baseline = next((summary for summary in summaries if summary.variant is baseline), None)
    return Report(study, summaries, of_baseline, runs)


def describe_data(data: Data, varied: Collection[str] = ()) -> str:
    """ "CIFAR-10 (JPEG copy), subset: 5,000 training and 2,000 test images"; sizes that are varied are left out."""
    fields = (("train_size", "training"), ("test_size", "test"))
    sizes = [(getattr(data, key), what) for key, what in fields if f"data.{key}" not in varied]
    said = [f"{size:,} {what}" for size, what in sizes if size]
    return f"{data.title}, subset: {' and '.join(said)} images" if said else data.title


def describe_recipe(recipe: Recipe, varied: Collection[str] = ()) -> str:
    """ "SGD, 200 epochs, batch 128, learning rate 0.1, float32"; what is varied is left out."""
    said = {
        "optimizer": {"sgd": "SGD", "adam": "Adam"}[recipe.optimizer],
        "epochs": counted(recipe.epochs, "epoch"),
        "batch_size": f"batch {recipe.batch_size}",
        "lr": f"learning rate {recipe.lr:g}",
        "precision": recipe.precision,
    }
    return ", ".join(text for key, text in said.items() if f"recipe.{key}" not in varied)
