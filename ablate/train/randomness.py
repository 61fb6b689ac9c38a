"""Randomness as a function: every draw of a trial comes from a generator seeded by (seed, stream, epoch).

So resuming at an epoch needs no generator state, two variants of a study see the same order and crops at the same seed, and
the number of trials that are trained side by side changes no draw.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import torch

Stream = Literal[
    "initialization", "order", "augmentation", "own_augmentation", "dropout", "stochastic_depth", "mixing", "recipe",
    "corruption", "proposals",
]  # fmt: skip


def stream_seed(seed: int, stream: Stream, epoch: int = 0, rank: int = 0, batch: int = 0) -> int:
    """The seed of a generator, of 63 bits; it depends on the arguments only.

    Args:
        seed: Of the trial.
        stream: What is drawn.
        epoch: From 1; 0 for draws before training.
        rank: Of the process that draws, from 0.
        batch: From 1, for draws of a batch alone; 0 for those of an epoch.
    """
    named = f"{seed}/{stream}/{epoch}{f'/{rank}' if rank else ''}{f'/batch {batch}' if batch else ''}"
    digest = hashlib.sha256(named.encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, stream: Stream, epoch: int = 0) -> torch.Generator:
    """A generator on the CPU; its draws depend on the arguments only.

    Args:
        seed: Of the trial.
        stream: What is drawn.
        epoch: From 1; 0 for draws before training.
    """
    return torch.Generator().manual_seed(stream_seed(seed, stream, epoch))
