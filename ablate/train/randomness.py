"""Randomness as a function: every draw of a trial comes from a generator seeded by (seed, stream, epoch).

So resuming at an epoch needs no generator state, two arms of a study at one seed see the same order and crops, and how
many trials are trained side by side changes no draw.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import torch

Stream = Literal["initialization", "order", "augmentation", "dropout", "stochastic_depth"]


def stream_seed(seed: int, stream: Stream, epoch: int = 0, rank: int = 0) -> int:
    """The seed, of 63 bits, of a generator's draws; it depends on the arguments alone. rank: of several devices."""
    digest = hashlib.sha256(f"{seed}/{stream}/{epoch}{f'/{rank}' if rank else ''}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, stream: Stream, epoch: int = 0) -> torch.Generator:
    """A generator on the CPU that depends on its arguments alone."""
    return torch.Generator().manual_seed(stream_seed(seed, stream, epoch))
