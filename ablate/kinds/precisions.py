"""The table of precisions: the number formats in which a network is trained and evaluated.

Weights, gradients and the optimizer's state are float32 in all of them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

AUTO = "auto"  # in a study file: the first of CHOSEN that the device has
CHOSEN = ("bfloat16", "float16", "float32")


@dataclass(frozen=True, eq=False, kw_only=True)
class Precision:
    """A precision that a recipe can name.

    Args:
        name: The name in study files.
        words: The name in captions and tables.
        explained: A description for the documentation.
        bytes: Of an activation.
        cast: The name of the torch type that autocast casts to; "" for no autocast.
        scaled: Whether the loss is scaled, and the gradients scaled back, so that small gradients do not become 0.
        tf32: Whether products of float32 numbers may be computed in TensorFloat-32.
        capability: The compute capability from which NVIDIA GPUs have it.
        instructions: Flags of a processor (of /proc/cpuinfo), one of which makes it faster than float32; None: every
            processor has it.
        required: Whether a device without it is refused. Otherwise it is slower there than float32.
    """

    name: str
    words: str
    explained: str
    bytes: int
    cast: str = ""
    scaled: bool = False
    tf32: bool = False
    capability: tuple[int, int] = (0, 0)
    instructions: Collection[str] | None = None
    required: bool = False


PRECISIONS = {
    one.name: one
    for one in (
        Precision(name="float32", words="float32", explained="IEEE, without TF32", bytes=4),
        Precision(
            name="tf32",
            words="float32 with TF32 products",
            explained="float32 whose products have 10 bits of mantissa; NVIDIA GPUs from 8.0",
            bytes=4,
            tf32=True,
            capability=(8, 0),
            instructions=(),
            required=True,
        ),
        Precision(
            name="bfloat16",
            words="bfloat16",
            explained="autocast; GPUs from 8.0, processors with AMX, AMD's with AVX-512 BF16",
            bytes=2,
            cast="bfloat16",
            capability=(8, 0),
            instructions=("avx512_bf16", "amx_bf16", "bf16"),  # the last is ARM's
        ),
        Precision(
            name="float16",  # source: Micikevicius et al., "Mixed Precision Training"
            words="float16",
            explained="autocast and a scaled loss; GPUs from 7.0",
            bytes=2,
            cast="float16",
            scaled=True,
            capability=(7, 0),
            instructions=("amx_fp16",),  # with AVX-512 FP16 alone torch trains a convolution 100 times slower
        ),
    )
}
