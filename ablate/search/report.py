"""SearchReport: what a search has found so far, as tables, figures, sentences, a page, and best.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ablate.errors import RunError
from ablate.files import write_atomically
from ablate.report.drawn_figures import FORMATS, DrawnFigure, draw_figures, is_figure
from ablate.report.page_data import PageStudy
from ablate.report.report import write_pages
from ablate.report.tables import Table, counted, prose, to_csv, to_latex, to_markdown
from ablate.search.best import FILE, best_yaml
from ablate.search.candidates import Candidate
from ablate.search.made_with import candidates_made_with, trainings_frame
from ablate.search.standing import Standing
from ablate.search.tables import candidate_rows, comparison_caption, recorded_ids, to_frame
from ablate.search.wording import (
    MEASURES,
    OBJECTIVES,
    describe_progress,
    describe_search,
    describe_trainings,
    describe_validation,
    search_sentences,
)
from ablate.study.study import Study


@dataclass(frozen=True)
class SearchReport:
    """What a search has found. study_file: where it is described; importances: of its parameters, shares of the variance.

    limit: how many candidates there are to be, where that is not what the study says, as for a grid.
    """

    study: Study
    candidates: tuple[Candidate, ...]
    runs: Path
    study_file: str
    importances: Mapping[str, float] | None = None
    limit: int | None = None

    @cached_property
    def standing(self) -> Standing:
        search = self.study.search
        assert search is not None
        planned = search.trials if self.limit is None else self.limit
        return Standing(search, tuple(self.candidates), planned, self.study.budget)

    @cached_property
    def tables(self) -> list[tuple[str, str, Table]]:
        """(label, caption, table) of each: the best candidates, the Pareto set; none before one is trained to the end."""
        return [(label, caption, table) for label, caption, table, _ in self._shown]

    @cached_property
    def _shown(self) -> list[tuple[str, str, Table, list[Candidate]]]:
        """The tables with the candidate of each row."""
        standing, name = self.standing, self.study.name
        found = []
        if standing.top:
            table = candidate_rows(standing, standing.top)
            found.append((name, f"Images: {self.setting('. ')}. {self._caption()}", table, standing.top))
        if standing.front and (cost := standing.search.also_minimize):
            caption = (
                f"The Pareto set, by {MEASURES[cost]}: no candidate is better in one of the two and as good in the other."
            )
            table = candidate_rows(standing, standing.front, compared=False)
            found.append((f"{name}_pareto", caption, table, standing.front))
        return found

    def _caption(self) -> str:
        """What the first table shows, its setting aside."""
        n, of = len(self.standing.top), len(self.standing.distinct)
        which = f"The {n} best of {of} candidates" if n < of else f"{counted(of, 'candidate')} trained to the end"
        kind = OBJECTIVES[self.standing.search.objective]
        return (
            f"{which}, by {kind} {self.measured()}. In percent; SD of the sample; range from lowest to highest."
            f"{comparison_caption(self.standing)}"
        )

    def setting(self, separator: str) -> str:
        """Data, recipe, what is searched, the budget."""
        return describe_search(self.study, separator)

    def measured(self) -> str:
        """What the errors are: "validation error on 5 folds of the training images, 5 trainings a candidate, ..."."""
        return f"{describe_validation(self.study)}, {describe_trainings(self.study)}; the test images were not read"

    @property
    def badge(self) -> str:
        """What stands by every title of a search at another scale."""
        return f"{self.study.scale} scale, not the paper's" if self.study.scale else ""

    @property
    def heading(self) -> str:
        """The search's title, and what stands by it."""
        return f"{self.study.title}{f' ({self.badge})' if self.badge else ''}"

    @cached_property
    def sentences(self) -> list[str]:
        """What can and cannot be said, in sentences."""
        return search_sentences(self.study, self.standing)

    @cached_property
    def figures(self) -> dict[str, DrawnFigure]:
        """Every figure by its name."""
        return draw_figures(self, "search")

    @property
    def recorded(self) -> int:
        """How many candidates were trained to the end or pruned."""
        return self.standing.ended

    @property
    def planned(self) -> int:
        """How many candidates there are to be."""
        return self.standing.planned

    @property
    def progress(self) -> str:
        """ "31 of 40 candidates have ended"."""
        return describe_progress(self.standing)

    def as_json(self) -> dict[str, Any]:
        """What `ablate report --json` prints: errors in percent, null where infinite."""
        standing = self.standing
        rows = to_frame(standing).astype(object).where(lambda frame: frame.notna(), None).to_dict("records")
        return {
            "study": self.study.name,
            "title": self.study.title,
            "scale": self.study.scale,
            "data": [self.study.data.title],
            "objective": standing.search.objective,
            "finished": standing.finished,
            "planned": standing.planned,
            "candidates": rows,
            "best": standing.best and standing.best.number,
            "pareto": [one.number for one in standing.front],
            "importances": dict(self.importances) if self.importances else None,
            "sentences": self.sentences,
        }

    def markdown(self) -> str:
        """table.md: the tables, what can be said, their figures, what it was made with."""
        study, standing = self.study, self.standing
        lines = [f"# {prose(' '.join(self.heading.split()))}", ""]
        lines += [f"Source: {prose(study.source)}.", ""] if study.source else []
        lines += [line for _, caption, table in self.tables for line in (prose(caption), "", to_markdown(table))]
        lines += [line for text in study.chosen for line in (f"Chosen by a search: {prose(text)}.", "")]
        lines += ["## What the search can and cannot say", "", *(f"- {prose(text)}" for text in self.sentences), ""]
        lines += [prose(study.notes), ""] if study.notes else []
        lines += [line for name, figure in self.figures.items() for line in (f"![{figure.alt_text}]({name}.svg)", "")]
        if made := candidates_made_with(standing.candidates, self.runs):
            lines += ["## Made with", "", *(f"- {prose(line)}" for line in made), ""]
        chosen = "Pareto set is" if standing.search.also_minimize else "best values are"
        lines += [
            f"Every training, its id and its provenance are in [trials.csv](trials.csv), the {chosen} in [{FILE}]({FILE}).",
            "",
        ]
        return "\n".join(lines)

    def page(self) -> PageStudy:
        """The search as a page shows it."""
        from ablate.report.study_page import page_table, trial_texts

        study, tables = self.study, []
        for number, (_, caption, table, rows) in enumerate(self._shown):
            measured = table.header.index("n"), table.header.index("Range")
            behind = [
                [recorded_ids(one) if measured[0] <= column <= measured[1] else [] for column in range(len(table.header))]
                for one in rows
            ]
            tables.append(page_table(caption if number else self._caption(), table, behind))
        frame = trainings_frame(self.standing.candidates, self.runs)
        return PageStudy(
            name=study.name,
            title=study.title,
            source=study.source,
            scale=self.badge,
            about=f"{self.setting('. ')}.",
            tables=tables,
            figures=[(name, figure.alt_text, figure.rendered("svg")) for name, figure in self.figures.items()],
            curves=[],
            sentences=list(self.sentences),
            notes=study.notes,
            made_with=candidates_made_with(self.standing.candidates, self.runs),
            trials=trial_texts(frame, PROVENANCE),
            speaker="search",
        )

    def write(self, out: str | Path) -> list[Path]:
        """Writes tables, figures, page and best.yaml into out/<study>/ and returns their paths. Raises RunError."""
        directory = Path(out) / self.study.name
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise RunError(f"--out: {directory} cannot be a directory, a file is in its place") from None
        files = self._files()
        for name, data in files.items():
            write_atomically(directory / name, data)
        for path in directory.iterdir():  # figures of an earlier report that this one has not
            if path.suffix in (".png", ".svg", ".pdf") and is_figure(path.stem) and path.name not in files:
                path.unlink()
        return [directory / name for name in files]

    def _files(self) -> dict[str, bytes]:
        """What is written, by name."""
        latex = [to_latex(table, f"{self.heading}. {caption}", label) for label, caption, table in self.tables]
        files = {"table.md": self.markdown().encode(), "table.tex": "\n".join(latex).encode()}
        scale = {"scale": self.study.scale} if self.study.scale else {}
        frames = {
            "table.csv": to_frame(self.standing),
            "trials.csv": trainings_frame(self.standing.candidates, self.runs),
        }
        for name, frame in frames.items():
            files[name] = to_csv(frame.assign(**scale))
        files |= {f"{name}.{kind}": figure.rendered(kind) for name, figure in self.figures.items() for kind in FORMATS}
        files["index.html"] = write_pages([self])
        files[FILE] = best_yaml(self.study, self.standing, self.study_file)
        return files


PROVENANCE = (
    "candidate", "fold", "seed", "state", "validation_error", "revision", "ablate", "torch", "python", "device", "threads",
    "train_seconds", "validation_seconds", "data_digest", "started", "finished",
)  # fmt: skip
