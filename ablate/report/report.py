"""make_report(): a study's records -> a Report, which knows its summaries, tables, figures and files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ablate.errors import RunError
from ablate.files import write_atomically
from ablate.nets.notation import remark
from ablate.records.imported import read_imported
from ablate.records.probes import Probe, read_probes
from ablate.report.analysis import Analysis
from ablate.report.drawn_figures import FORMATS, DrawnFigure, draw_figures, is_figure
from ablate.report.estimates import find_timed
from ablate.report.growth import Exponent, GrowthPoint, count_networks, growth_exponents, growth_points
from ablate.report.page_data import PageStudy
from ablate.report.paper_table import paper_rows
from ablate.report.provenance import made_with, trials_frame
from ablate.report.rows import p_text, statistics_rows, to_frame
from ablate.report.setting import describe_setting
from ablate.report.summary import Summary, summarize
from ablate.report.tables import Table, count_rows, counted, growth_rows, prose, to_csv, to_latex, to_markdown
from ablate.study.study import Study, Variant

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Report:
    """What a study's records say."""

    study: Study
    summaries: tuple[Summary, ...]
    baselines: tuple[Summary | None, ...]  # of each summary
    runs: Path

    @cached_property
    def analysis(self) -> Analysis:
        return Analysis(self.study, self.summaries, self.baselines, tuple(read_imported(self.runs)))

    @cached_property
    def table(self) -> Table:
        return paper_rows(self.analysis) if self.study.seeds else count_rows(self.networks)

    @cached_property
    def tables(self) -> list[tuple[str, str, Table]]:
        """(label, caption, table) of each: the study's own, what its seeds say, how counts grow if nothing is trained."""
        found = [(self.study.name, self.caption(), self.table)]
        if self.recorded:
            found.append((f"{self.study.name}_statistics", self._statistics_caption(), statistics_rows(self.analysis)))
        if self.growth:
            found.append((f"{self.study.name}_growth", self._growth_caption(), growth_rows(self.growth)))
        return found

    @property
    def base(self) -> Variant:
        """The network that the others differ from, where nothing is trained."""
        return (next(filter(None, self.baselines), None) or self.summaries[0]).variant

    @property
    def networks(self) -> list[dict[str, Any]]:
        """A row a network of a study without seeds."""
        rows = count_networks(self.summaries, self.base)
        if any(self.timed):
            for row, summary, probe in zip(rows, self.summaries, self.timed):
                row["step_ms"] = probe and round(probe.train_step_ms.median, 1)
                if any(map(self.published_error, self.summaries)):
                    row["published_error"] = self.published_error(summary)
        return rows

    @cached_property
    def timed(self) -> list[Probe | None]:
        """The probe of each network of a study without seeds."""
        variants = [summary.variant for summary in self.summaries]
        return [None] * len(variants) if self.study.seeds else find_timed(variants, read_probes(self.runs))

    def timing(self) -> str:
        """What was timed and on what; empty where nothing was."""
        probe = next(filter(None, self.timed), None)
        if probe is None:
            return ""
        return (
            f"Forward, backward and update of a minibatch of {probe.workload.batch_size}, {probe.workload.precision}, on "
            f"{probe.device}, torch {probe.torch}, {probe.side_by_side} at once, {counted(probe.threads, 'thread')} each"
        )

    def published_error(self, summary: Summary) -> float | None:
        """The published test error of a variant's own network, in percent."""
        match = self.analysis.match(summary)
        return match.error if match and match.row.architecture == summary.variant.architecture else None

    @cached_property
    def growth_points(self) -> list[GrowthPoint]:
        return [] if self.study.seeds else growth_points([summary.variant for summary in self.summaries], self.base)

    @property
    def growth(self) -> list[Exponent]:
        """How the counts of a study without seeds grow with its axes."""
        return growth_exponents(self.growth_points)

    @cached_property
    def figures(self) -> dict[str, DrawnFigure]:
        """Every figure by its name."""
        if self.study.seeds and not self.recorded:
            return {}
        return draw_figures(self, "trained" if self.study.seeds else "counted", self.study.figures)

    @property
    def progress(self) -> str:
        """ "3 of 5 trials are recorded"."""
        return f"{self.recorded} of {self.planned} trials are recorded"

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
            "scale": self.study.scale,
            "data": list(dict.fromkeys(summary.variant.data.title for summary in self.summaries)),
        }
        if not self.study.seeds:
            growth = [exponent._asdict() for exponent in self.growth]
            return {**study, "base": self.base.net, "networks": self.networks, "growth": growth}
        return {
            **study,
            "epoch_rule": self.study.epoch_rule,
            "summaries": [self.analysis.as_json(summary) for summary in self.summaries],
            "sentences": self.sentences,
        }

    @property
    def badge(self) -> str:
        """What stands by every title: that a study runs at another scale, that epochs were chosen by test error."""
        chosen = "errors of the best epoch, chosen on the test images" if self.study.epoch_rule == "best" else ""
        scale = f"{self.study.scale} scale, not the paper's" if self.study.scale else ""
        return "; ".join(filter(None, [scale, chosen]))

    @property
    def heading(self) -> str:
        """The study's title, and what stands by it."""
        return f"{self.study.title}{f' ({self.badge})' if self.badge else ''}"

    def setting(self, separator: str) -> str:
        """What the variants share of data and recipe, and what is varied."""
        return describe_setting(self.summaries, separator)

    def caption(self) -> str:
        """What the table of this study must say of itself."""
        if not self.study.seeds:
            data = self.study.data
            step = f" Step: {self.timing()}." if any(self.timed) else ""
            shape = "x".join(map(str, data.input_shape))
            return (
                f"Networks for {data.title}: {data.classes} classes, input {shape}. Nothing is trained. Mult-adds and "
                f"activations: one forward pass of one image through convolutions and linear layers.{step}"
            )
        return f"Images: {self.setting('. ')}. {self.measured()}"

    def measured(self) -> str:
        """What the errors of a trained study are."""
        counts = sorted({summary.n for summary in self.summaries})
        seeds = counted(counts[0], "seed") if len(counts) == 1 else f"{counts[0]} to {counts[-1]} seeds"
        return f"Test error {EPOCHS[self.study.epoch_rule]}, in percent, median over {seeds}."

    def _statistics_caption(self) -> str:
        said = (
            f"What the seeds say. Test error {EPOCHS[self.study.epoch_rule]}, in percent; SD of the sample; with fewer "
            "than 8 seeds the range from lowest to highest, as a 95% interval of the median would hardly be narrower."
        )
        verdicts = self.analysis.verdicts.values()
        if not verdicts:
            return said
        floors = sorted(verdict.comparison.floor for verdict in verdicts)
        least = " to ".join(dict.fromkeys(map(p_text, (floors[0], floors[-1]))))
        return (
            f"{said} Against the baseline: the difference of the medians in points; the share of all seed pairs in which "
            "the variant has the lower error; the permutation p-value of the rank sum, two-sided (so many seeds allow "
            f"none below {least}), and after Holm's correction for {counted(len(verdicts), 'comparison')}; about how many "
            "seeds a side would tell them apart."
        )

    def _growth_caption(self) -> str:
        return (
            f"How counts grow with one axis, the others as in {self.base.net}: count ~ axis^exponent, by least squares of "
            "the logarithms over all values, and between the two largest."
        )

    def markdown(self) -> str:
        """table.md: the tables, their figures, what it was made with."""
        study = self.study
        lines = [f"# {prose(' '.join(self.heading.split()))}", ""]
        lines += [f"Source: {prose(study.source)}.", ""] if study.source else []
        lines += [line for _, caption, table in self.tables for line in (prose(caption), "", to_markdown(table))]
        lines += [line for text in study.chosen for line in (f"Chosen by a search: {prose(text)}.", "")]
        if self.recorded < self.planned:
            lines += [f"**Incomplete: {self.recorded} of {self.planned} trials are recorded.**", ""]
        remarks = dict.fromkeys(remark(summary.variant.architecture) for summary in self.summaries)
        lines += [line for text in remarks if text for line in (f"{text}.", "")]
        said = [f"- {prose(text)}" for text in self.sentences]
        lines += ["## What the seeds say", "", *said, ""] if said else []
        lines += [prose(study.notes), ""] if study.notes else []
        lines += [line for name, figure in self.figures.items() for line in (f"![{figure.alt_text}]({name}.svg)", "")]
        if not study.seeds:
            return "\n".join(lines)
        lines += ["## Made with", "", *(f"- {prose(line)}" for line in made_with(self.summaries, self.runs)), ""]
        lines += ["Every trial, its id and its provenance are in [trials.csv](trials.csv).", ""]
        return "\n".join(lines)

    @cached_property
    def sentences(self) -> list[str]:
        """What can and cannot be said, in sentences."""
        return self.analysis.sentences

    def trials_frame(self) -> pd.DataFrame:
        """A row a trial, a column an axis that varies; errors in percent, losses in nats, times in seconds."""
        return trials_frame(self.summaries, self.runs)

    def page(self) -> PageStudy:
        """The study as a page shows it."""
        from ablate.report.study_page import page_study

        return page_study(self)

    def write(self, out: str | Path) -> list[Path]:
        """Writes tables, figures and page into out/<study>/ and returns their paths."""
        directory = Path(out) / self.study.name
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise RunError(f"--out: {directory} cannot be a directory, a file is in its place") from None
        files = {
            "table.md": self.markdown().encode(),
            "table.tex": "\n".join(
                to_latex(table, f"{self.heading}. {caption}", label) for label, caption, table in self.tables
            ).encode(),
        }
        frames = {f"{name}.csv": frame for name, frame in self._frames().items()}
        files |= {name: to_csv(frame) for name, frame in frames.items()}
        files |= self._figures()
        files["index.html"] = write_pages([self])
        for name, data in files.items():
            write_atomically(directory / name, data)
        for path in directory.iterdir():  # figures of an earlier report that this one has not
            if path.suffix in (".png", ".svg", ".pdf") and is_figure(path.stem) and path.name not in files:
                path.unlink()
        return [directory / name for name in files]

    def _frames(self) -> dict[str, pd.DataFrame]:
        import pandas as pd

        if self.study.seeds:
            scale = {"scale": self.study.scale} if self.study.scale else {}
            return {"table": to_frame(self.analysis), "trials": self.trials_frame().assign(**scale)}
        growth = {"growth": pd.DataFrame(self.growth)} if self.growth else {}
        return {"table": pd.DataFrame(self.networks), **growth}

    def _figures(self) -> dict[str, bytes]:
        return {f"{name}.{kind}": figure.rendered(kind) for name, figure in self.figures.items() for kind in FORMATS}


class Paged(Protocol):
    """What a page can show: the report of a study, or of a search."""

    def page(self) -> PageStudy: ...


def write_pages(reports: Sequence[Paged]) -> bytes:
    """One self-contained HTML page of some reports."""
    from ablate.report.page import write_page

    return write_page([report.page() for report in reports])


EPOCHS = {"last": "at the last epoch", "best": "at the epoch where it is lowest (chosen on the test images)"}


def make_report(study: Study, variants: Sequence[Variant], baselines: Sequence[Variant | None], runs: Path) -> Report:
    """The report of what is recorded in a runs directory. Raises RecordError."""
    summaries = tuple(summarize(variants, study.seeds, runs, study.epoch_rule))
    of_variant = {id(summary.variant): summary for summary in summaries}
    return Report(
        study, summaries, tuple(None if variant is None else of_variant[id(variant)] for variant in baselines), runs
    )
