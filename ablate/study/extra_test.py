"""ExtraTest: a further set of test images, which a trial is evaluated on once, after its last epoch."""

from __future__ import annotations

import json
import re
from typing import Any

from ablate.data.corruptions import CORRUPTIONS
from ablate.files import content_id
from ablate.study.frozen import Frozen


class ExtraTest(Frozen):
    """A further set of test images: corrupted copies of the test images, or the test images of other data.

    Args:
        title: The name in tables.
        corruption: A name of the table of corruptions; "" for other data.
        severity: Of the corruption, from 1 to 5.
        seed: Of the corruption's draws.
        data: The other data, a Data with the same classes; None for a corruption.
    """

    title: str
    corruption: str = ""
    severity: int = 0
    seed: int = 0
    data: Any = None

    @property
    def key(self) -> str:
        """The name of the images in the files of a trial. It depends on all that can change them, but not on the title."""
        what = {"corruption": self.corruption, "severity": self.severity, "seed": self.seed}
        identity = self.data.identity() if self.data else what
        return f"also-{content_id(json.dumps(identity, sort_keys=True, default=str).encode())}"

    @property
    def column(self) -> str:
        """The name in columns of data frames, such as "on_gaussian_noise_3"."""
        return "on_" + re.sub(r"[^a-z0-9]+", "_", self.title.lower()).strip("_")

    @property
    def words(self) -> str:
        """What the images are, for a caption."""
        if self.data:
            return f"the test images of {self.data.title}"
        return f"the test images with {CORRUPTIONS[self.corruption].words} of severity {self.severity}"
