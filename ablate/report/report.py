"""make_report(): a study's records -> a Report, which knows its summaries, tables, figures and files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.errors import RunError
from ablate.files import write_atomically
from ablate.records.records import trial_state
from ablate.report.summary import EPOCH_RULE, Summary, summarize
from ablate.report.tables import Table, counted, table_rows, to_frame, to_latex, to_markdown
from ablate.study.study import Data, Recipe, Study, Variant

if TYPE_CHECKING:
    import pandas as pd

FIGURES = ("curves", "errors", "parameters")


@dataclass(frozen=True)
class Report:
    """What a study's records say."""

    study: Study
    summaries: tuple[Summary, ...]
    baseline: Summary | None
    runs: Path

    @property
    def table(self) -> Table:
        return table_rows(self.summaries, self.baseline)

    @property
    def recorded(self) -> int:
        return sum(summary.n for summary in self.summaries)

    @property
    def planned(self) -> int:
        return sum(summary.planned for summary in self.summaries)

    def as_json(self) -> dict[str, Any]:
        """What `ablate report --json` prints."""
        return {
            "study": self.study.name,
            "title": self.study.title,
            "data": describe_data(self.study.data, self.varied),
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
        """What a table of this study must say of itself."""
        counts = sorted({summary.n for summary in self.summaries})
        seeds = counted(counts[0], "seed") if len(counts) == 1 else f"{counts[0]} to {counts[-1]} seeds"
        return (
            f"{self.study.title}. Images: {self.setting('. ')}. "
            f"Test error at the last epoch, in percent: median, minimum and maximum over {seeds}."
        )

    def markdown(self) -> str:
        """table.md: the table, its figures, what it was made with."""
        study = self.study
        lines = [f"# {study.title}", ""]
        lines += [f"Source: {study.source}.", ""] if study.source else []
        lines += [self.caption(), "", to_markdown(self.table)]
        if self.recorded < self.planned:
            lines += [f"**Incomplete: {self.recorded} of {self.planned} trials are recorded.**", ""]
        lines += [study.notes, ""] if study.notes else []
        if self.recorded:
            lines += [line for name in FIGURES for line in (f"![{_ALT_TEXTS[name]}]({name}.svg)", "")]
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
        """A row a trial; errors in percent, losses in nats, times in seconds."""
        import pandas as pd

        rows = []
        for summary in self.summaries:
            for run in summary.runs:
                result = run.record.result if run.record else {}
                made = result.get("provenance", {})
                rows.append(
                    {
                        "net": summary.net,
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
            "table.tex": to_latex(self.table, self.caption(), self.study.name).encode(),
            "table.csv": to_frame(self.summaries, self.baseline).to_csv(index=False, lineterminator="\n").encode(),
            "trials.csv": self.trials_frame().to_csv(index=False, lineterminator="\n").encode(),
        }
        if self.recorded:
            files |= self._figures()
        for name, data in files.items():
            write_atomically(directory / name, data)
        return [directory / name for name in files]

    def _figures(self) -> dict[str, bytes]:
        from ablate.report import figures

        summaries = [summary for summary in self.summaries if summary.n]
        about = self.setting("; ")
        baseline = self.baseline if self.baseline and self.baseline.n else None
        drawn = {
            "curves": figures.draw_curves(summaries, self.study.title, f"{about}; medians over seeds"),
            "errors": figures.draw_errors(summaries, self.study.title, about, baseline),
            "parameters": figures.draw_parameters(summaries, self.study.title, about),
        }
        return {
            f"{name}.{kind}": figures.to_bytes(figure, kind) for name, figure in drawn.items() for kind in ("png", "svg")
        }


_ALT_TEXTS = {
    "curves": "Training curves, medians over seeds",
    "errors": "Test error by variant",
    "parameters": "Test error against parameters",
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
