"""The precision of a recipe in torch: its switches, and autocast."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch

from ablate.errors import RunError
from ablate.study.recipe import Recipe


def set_products(tf32: bool) -> None:
    """Set how products of float32 numbers are computed: as IEEE says, or on a GPU in TensorFloat-32.

    This holds for a user's own modules too, with their matrix products and recurrent layers. "ieee" says so itself; "none"
    would leave it to a switch above it. The former switches are set alike, because torch refuses to read them where they
    contradict the new ones, and torch.compile reads some. A processor always computes as IEEE says.

    Args:
        tf32: Whether TensorFloat-32 may be used.
    """
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
    gpu, processor = _switches()
    for one in gpu:
        one.fp32_precision = "tf32" if tf32 else "ieee"
    for one in processor:
        one.fp32_precision = "ieee"


def _switches() -> tuple[list[Any], list[Any]]:
    """The modules of torch with a switch `fp32_precision`, those of a GPU and of a processor; one above others first."""
    cudnn: Any = torch.backends.cudnn
    mkldnn: Any = torch.backends.mkldnn
    return [cudnn, cudnn.conv, cudnn.rnn, torch.backends.cuda.matmul], [mkldnn.conv, mkldnn.rnn, mkldnn.matmul]


@contextmanager
def set_as(recipe: Recipe) -> Iterator[None]:
    """A context manager in which torch multiplies float32 numbers, and takes algorithms, as a recipe says.

    After it products are as IEEE says, and algorithms are deterministic where they were before.

    Args:
        recipe: Says the precision and what happens where there is no deterministic algorithm.
    """
    mode = torch.get_deterministic_debug_mode()
    set_products(recipe.arithmetic.tf32)
    if recipe.deterministic == "warn" and mode:
        torch.set_deterministic_debug_mode("warn")
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(mode)
        set_products(False)


NO_ALGORITHM = "does not have a deterministic implementation"  # in torch's message, after the name of the operation


@contextmanager
def refusals_explained(network: str) -> Iterator[None]:
    """A context manager that names the remedy where an operation of a reader's code has no deterministic algorithm.

    Raises:
        RunError: There is such an operation.
    """
    try:
        yield
    except RuntimeError as error:
        name, found, _ = str(error).partition(NO_ALGORITHM)
        if not found:
            raise
        raise RunError(
            f"{network}: {name.split()[-1]} has no deterministic algorithm here; use another operation, or "
            "recipe.deterministic: warn, with which a trial cannot be repeated bit for bit"
        ) from error


@contextmanager
def products_kept() -> Iterator[None]:
    """A context manager that puts the switches of set_products() back as they were."""
    switches = [one for group in _switches() for one in group]
    before, matmul, cudnn = [one.fp32_precision for one in switches], torch.get_float32_matmul_precision(), None
    with suppress(RuntimeError):  # they contradict each other
        cudnn = torch.backends.cudnn.allow_tf32
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(matmul)
        if cudnn is not None:
            torch.backends.cudnn.allow_tf32 = cudnn
        for one, value in zip(switches, before):
            one.fp32_precision = value


def autocast(recipe: Recipe, device: torch.device) -> torch.autocast:
    """The context of the recipe's precision: autocast to its type, or autocast that is disabled."""
    cast = recipe.arithmetic.cast
    return torch.autocast(device.type, getattr(torch, cast or "bfloat16"), enabled=bool(cast))
