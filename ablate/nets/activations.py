"""The table of activations: the nonlinearities that a network can have. No torch here."""

from __future__ import annotations

from typing import NamedTuple


class ActivationKind(NamedTuple):
    """A pointwise nonlinearity.

    Args:
        module: Name of its class in torch.nn.
        words: Its name in drawings.
        in_place: Whether it can overwrite its input.
        needs_output: Whether its backward pass needs its output instead of its input, even where it is not in place.
    """

    module: str
    words: str
    in_place: bool = False
    needs_output: bool = False


ACTIVATIONS = {
    "relu": ActivationKind("ReLU", "ReLU", in_place=True, needs_output=True),
    "leaky_relu": ActivationKind("LeakyReLU", "leaky ReLU", in_place=True),
    "elu": ActivationKind("ELU", "ELU", in_place=True),
    "silu": ActivationKind("SiLU", "SiLU"),
    "gelu": ActivationKind("GELU", "GELU"),
    "mish": ActivationKind("Mish", "Mish"),
    "hardswish": ActivationKind("Hardswish", "hardswish"),
    "tanh": ActivationKind("Tanh", "tanh", needs_output=True),
}
