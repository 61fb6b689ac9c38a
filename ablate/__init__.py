"""ablate: which part of my network matters? Ablation studies and architecture search for image classifiers."""

from __future__ import annotations

TYPE_CHECKING = False  # without typing, whose import takes longer than all else here: Ctrl-C would find it
if TYPE_CHECKING:
    from typing import Any

    from ablate.api import load_search, load_study
    from ablate.errors import AblateError
    from ablate.launch.options import RunOptions
    from ablate.metrics import log
    from ablate.network_experiment import Experiment
    from ablate.search.experiment import SearchExperiment

__version__ = "0.1.0"
__all__ = ["AblateError", "Experiment", "RunOptions", "SearchExperiment", "__version__", "load_search", "load_study", "log"]

_LAZY = {
    "load_study": "ablate.api", "load_search": "ablate.api", "Experiment": "ablate.network_experiment",
    "SearchExperiment": "ablate.search.experiment", "AblateError": "ablate.errors",
    "RunOptions": "ablate.launch.options",
    "log": "ablate.metrics",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'ablate' has no attribute '{name}'")
    import importlib

    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
