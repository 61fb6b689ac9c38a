"""Randomness as a function: every draw of a trial comes from a generator seeded by (seed, stream, epoch).

So resuming at an epoch needs no generator state, and two arms of a study at one seed see the same order and crops.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import torch

Stream = Literal["initialization", "order", "augmentation", "dropout", "stochastic_depth"]


def generator(seed: int, stream: Stream, epoch: int = 0, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator that depends on its arguments alone."""
    digest = hashlib.sha256(f"{seed}/{stream}/{epoch}".encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:8], "big") >> 1)
