"""ExperimentTrial: a trial with the directory of its record and of its images; model(), predictions(), test_data().

export_networks(): their networks as files for other programs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.data.location import Location
from ablate.errors import AblateError, RunError
from ablate.files import real_directory, write_atomically
from ablate.records.logits import read_logits
from ablate.records.records import Record, RecordState, read_record, trial_state
from ablate.records.result import FINAL, recorded_classes
from ablate.report.numbers import counted
from ablate.report.writers.csv import to_csv
from ablate.study.study import Trial
from ablate.tracking.event_files import folder_of
from ablate.tracking.packages import need

if TYPE_CHECKING:
    import pandas as pd

    from ablate.train.restored import Network, Split, TestData


@dataclass(frozen=True, repr=False)
class ExperimentTrial(Trial):
    """A trial of an experiment. Two are equal if their definitions are.

    Args:
        label: The name of the trial for people, with its seed.
        runs: Directory of the records.
        location: Where the images are.
        folders: Where a reader's modules are looked for first.
    """

    label: str = field(compare=False)
    runs: Path = field(compare=False)
    location: Location = field(compare=False)
    folders: tuple[Path, ...] = field(default=(), compare=False)

    def __repr__(self) -> str:
        return f"<Trial {self.id}: {self.label}, {self.state}>"

    @property
    def state(self) -> RecordState:
        """The state of the trial.

        Raises:
            RecordError: The record is damaged.
        """
        return trial_state(self.runs, self.id)

    def record(self) -> Record:
        """The record of the trial.

        Raises:
            RunError: The trial has no record yet.
            RecordError: The record is damaged.
        """
        record = read_record(self.runs, self.id)
        if record is None:
            raise RunError(f"{self.label} ({self.id}) has no record in {self.runs}; run the study first")
        return record

    def model(self) -> Network:
        """The trained network, a torch.nn.Module on the CPU in evaluation mode.

        It has the weights that were tested: their moving average, where the recipe keeps one (`ema`). It takes images as
        test_data() gives them.

        Raises:
            AblateError: The trial is not recorded or diverged, or its last checkpoint is missing or damaged.
        """
        from ablate.train.restored import restore_network

        return restore_network(self, self.record(), self.folders)

    def test_data(self, split: Split | None = None, device: str = "cpu") -> TestData:
        """The images that the trial is tested on, and their labels; iterated, batches as the network takes them.

        Args:
            split: "test", or "validation" for the images that the trial holds out; None: test images if it reads them.
            device: Of the batches, as torch names it.

        Raises:
            AblateError: The images are missing or damaged, or others than those that were recorded.
        """
        from ablate.train.restored import restore_images

        return restore_images(self, read_record(self.runs, self.id), self.location, device, split)

    def predictions(self, split: Split | None = None, device: str = "cpu") -> pd.DataFrame:
        """What the network says of each image: one row an image, in the order of test_data().

        The columns: `image` (its number, from 0), `label` and `predicted` (classes by their number, from 0), and
        `probability_<class>` for each class. They are made from the logits that the trial has kept. Where it has kept none,
        the images are passed through the network once, in the precision of the trial.

        Args:
            split: As in test_data().
            device: Where the network runs, as torch names it.

        Raises:
            AblateError: As model() and test_data().
        """
        import pandas as pd
        from scipy.special import softmax

        from ablate.data.class_names import class_names
        from ablate.train.restored import pass_images, split_of

        if self.data.task.entry.own_loss:
            raise RunError(
                f"predictions: {self.label} is of task: {self.data.task.name}; call model() on test_data() instead"
            )
        record = self.record()
        kept = read_logits(record, split_of(self, split), classes=self.data.classes)
        if kept is not None:
            recorded = recorded_classes(record.result, self.data.classes)
            root = self.location.of(self.data.root).root
            names = recorded or class_names(self.data.name, self.data.classes, root, bool(self.data.split))
            logits, labels = kept.values, kept.labels
        else:
            data = self.test_data(split, device)
            logits, labels, names = pass_images(self.model(), self, data, device), data.labels.cpu().numpy(), data.classes
        frame = {"image": range(len(labels)), "label": labels, "predicted": logits.argmax(1)}
        shares = softmax(logits.astype(float), axis=1)
        return pd.DataFrame({**frame, **{f"probability_{name}": shares[:, i] for i, name in enumerate(names)}})


def export_networks(
    name: str, trials: Sequence[ExperimentTrial], to: str, out: Path, announce: Callable[[str], None]
) -> list[Path]:
    """Write the network of each recorded trial into out/<name>/<to>/ and return the paths.

    Each file is run on the images that the trial is tested on, and written only if no logit differs from the network's by
    more than TOLERANCE of the largest. What was found is in checks.csv beside the files.

    Args:
        name: The name of the study.
        trials: Of the study.
        to: A name of network_files.FORMATS.
        out: The directory of exports.
        announce: Receives a line for each trial.

    Raises:
        RunError: No trial has a network, a file would differ, or a package is missing.
        AblateError: The images are missing or are others.
    """
    import pandas as pd

    from ablate.train.network_files import FORMATS, TOLERANCE, export_network

    recorded = [trial for trial in trials if trial.state == "recorded"]
    if not recorded:
        raise RunError(f"export: no trial of {name} has a network; run the study first")
    if other := [trial.data.task.name for trial in recorded if trial.data.task.entry.own_loss]:
        raise RunError(f"export: {name} is of task: {other[0]}; save model().state_dict() from Python instead")
    for package in FORMATS[to].packages:
        need(package, f"the format {to}")
    directory, written, rows, lost = out / name / to, list[Path](), list[dict[str, Any]](), list[str]()
    for trial in recorded:
        data, record = trial.test_data(), trial.record()
        try:
            content, check = export_network(to, trial, trial.model(), trial.model(), data)
        except AblateError as error:
            lost.append(f"{trial.label}: {error}")
            announce(f"{trial.label}: not written: {error}")
            continue
        file = directory / f"{folder_of(trial.label, trial.id)}{FORMATS[to].suffix}"
        once = record.result.get(f"{FINAL}error", record.eval_error)
        found = f"{trial.label}: {check.error:.2f}% error of {check.images:,} images, {once:.2f}% recorded"
        if check.equal:
            for folder in (out / name, directory):
                real_directory(folder).mkdir(parents=True, exist_ok=True)
            write_atomically(file, content)
            written.append(file)
        else:
            lost.append(f"{trial.label}: the file's logits differ by {check.difference:.2g}")
        announce(f"{found}; logits differ by at most {check.difference:.2g}")
        about = {"net": trial.label, "seed": trial.seed, "id": trial.id, "file": file.name if check.equal else None}
        values = {"recorded_error": once, "error": check.error, "images": check.images}
        limit = {"largest_difference": check.difference, "largest_logit": check.largest, "tolerance": TOLERANCE}
        rows.append({**about, **values, **limit})
    if rows and written:
        write_atomically(directory / "checks.csv", to_csv(pd.DataFrame(rows)))
    if len(written) < len(recorded):
        raise RunError(f"export: {len(lost)} of {counted(len(recorded), 'network')} not written, the first: {lost[0]}")
    return written
