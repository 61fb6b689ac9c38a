"""The Report of a study of networks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ablate.kinds.figures import ReportKind
from ablate.nets.notation import remark
from ablate.records.earlier import earlier_remarks
from ablate.report.analysis import StudyAnalysis
from ablate.report.compared_report import ComparedReport, seed_curves
from ablate.report.counts_table import counts_table, growth_table
from ablate.report.document import Provenance, Remark, Sentences, TrialCurve
from ablate.report.figure_values.curves import imported_curves
from ablate.report.files_table import files_tables
from ablate.report.panels import data_panels, panel_labels
from ablate.report.paper_table import paper_table
from ablate.report.predictions_table import image_sentences, prediction_frames, prediction_tables
from ablate.report.provenance import made_with, trials_frame
from ablate.report.summary import Summary
from ablate.report.table import Table
from ablate.report.variants_frame import variant_rows

if TYPE_CHECKING:
    import pandas as pd

FIELDS_BEFORE = ("net", "fold", "seed", "state", "epoch_rule")  # the measure that the study decides by
FIELDS_AFTER = (
    "revision", "ablate", "torch", "python", "device", "threads", "train_seconds", "validation_seconds", "test_seconds",
    "data_digest", "started", "finished",
)  # fmt: skip


@dataclass(frozen=True, repr=False)
class StudyReport(ComparedReport[Summary]):
    """The report of a study of networks."""

    analysis: StudyAnalysis

    @property
    def kind(self) -> ReportKind:  # type: ignore[override]
        return "trained" if self.analysis.study.seeds else "counted"

    def about(self) -> str:
        """The images and the recipe."""
        return f"{self.analysis.setting('. ')}." if self.analysis.study.seeds else ""

    def main_table(self) -> Table:
        return paper_table(self.analysis) if self.analysis.study.seeds else counts_table(self.analysis)

    def tables(self) -> list[Table]:
        one = self.analysis
        growth = [growth_table(one)] if one.growth else []
        files = files_tables(one.study.name, one.summaries)
        return [*super().tables(), *growth, *files, *prediction_tables(one)]

    def conclusions(self) -> Iterable[tuple[str, Sentences]]:
        seeds, *others = super().conclusions()
        return [seeds, ("What the images say", Sentences(tuple(image_sentences(self.analysis)))), *others]

    def remarks(self) -> list[Remark]:
        summaries = self.analysis.summaries
        missing = [one.trial for summary in summaries for one in summary.trials if one.record is None]
        of_networks = dict.fromkeys(remark(summary.variant.architecture) for summary in summaries)
        texts = [*earlier_remarks(missing, self.analysis.runs), *filter(None, of_networks)]
        return [*super().remarks(), *(Remark(f"{text}.") for text in texts)]

    def finding(self) -> str:
        return super().finding() if self.analysis.study.seeds else ""

    def provenance(self) -> Provenance | None:
        return super().provenance() if self.analysis.study.seeds else None

    @property
    def provenance_fields(self) -> Sequence[str]:
        return (*FIELDS_BEFORE, self.analysis.decision.name, *FIELDS_AFTER)

    def made_with(self) -> list[str]:
        return made_with(self.analysis.summaries, self.analysis.runs)

    def trials_of(self, summaries: Sequence[Summary]) -> pd.DataFrame:
        return trials_frame(summaries, self.analysis.runs)

    def rows(self) -> list[dict[str, Any]]:
        return variant_rows(self.analysis)

    def frames(self) -> dict[str, pd.DataFrame]:
        """The data frames of a study with seeds; those of one without are table.csv and growth.csv."""
        import pandas as pd

        if self.analysis.study.seeds:
            return {**super().frames(), **prediction_frames(self.analysis)}
        growth = {"growth": pd.DataFrame(self.analysis.growth)} if self.analysis.growth else {}
        return {"table": pd.DataFrame(self.analysis.networks), **growth}

    def curves(self) -> Iterable[TrialCurve]:
        """The curves of every recorded seed and of the imported logs, for one plot. Each variant has its own number."""
        analysis, shown = self.analysis, self.analysis.shown
        panels = data_panels(shown)
        looks = {id(s): name for (_, of), names in zip(panels, panel_labels(panels)) for s, name in zip(of, names)}
        for number, one in enumerate(shown):
            yield from seed_curves(number, one, looks[id(one)])
        logs = {id(log.rows): log for log in imported_curves(analysis)}.values()  # each once, even if in several panels
        for number, log in enumerate(logs, len(shown)):
            losses, errors = (
                [row.get(key) for row in log.rows] for key in ("train_loss", analysis.decision.each_epoch.column)
            )
            epochs: Any = [row["epoch"] for row in log.rows]
            yield TrialCurve(number, log.label, None, epochs, losses, errors, imported=True)
