"""ExperimentTrial: a trial with the directory of its record and of its images; model(), predictions(), test_data()."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ablate.data.cache import Location
from ablate.errors import RunError
from ablate.records.records import Record, RecordState, read_record, trial_state
from ablate.study.study import Trial

if TYPE_CHECKING:
    import pandas as pd

    from ablate.train.restored import Network, TestData

Split = Literal["test", "validation"]


@dataclass(frozen=True, repr=False)
class ExperimentTrial(Trial):
    """A trial of an experiment.

    Args:
        label: The name of the trial for people, with its seed.
        runs: Directory of the records.
        location: Where the images are.
        folders: Where a reader's modules are looked for first.
    """

    label: str
    runs: Path
    location: Location
    folders: tuple[Path, ...] = ()

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
        `probability_<class>` for each class. They are computed in the precision of the trial.

        Args:
            split: As in test_data().
            device: Where the network runs, as torch names it.

        Raises:
            AblateError: As model() and test_data().
        """
        import pandas as pd
        from scipy.special import softmax

        from ablate.train.restored import pass_images

        data = self.test_data(split, device)
        logits = pass_images(self.model(), self, data, device).double().numpy()
        first = pd.DataFrame({"image": range(len(data)), "label": data.labels.cpu(), "predicted": logits.argmax(1)})
        return first.join(pd.DataFrame(softmax(logits, axis=1), columns=[f"probability_{name}" for name in data.classes]))
