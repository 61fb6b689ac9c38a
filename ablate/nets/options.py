"""The options of a network's name: words <-> axes. OPTIONS is the table of them for documentation."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from ablate.errors import NotationError, foreign_letter
from ablate.nets.activations import ACTIVATIONS
from ablate.nets.architecture import ACTIVATION_ORDERS, NORMS, POOLS, SHORTCUTS, Kernels
from ablate.nets.family import NUMBER, Family

OPTIONS = (  # option as it is written, its meaning, its axis
    ("-B(3,1,...)", "kernel sizes of a wide ResNet's block; B(3,3) where none are written", "block, l"),
    ("-basic, -bottleneck", "the kind of block of a ResNet or pre-ResNet for CIFAR", "block"),
    ("-w<k>", "widening factor, of families whose name does not begin with one", "k"),
    ("-dropout<rate>", "inside the blocks, before every convolution but the first", "dropout"),
    ("-survival<p>", "stochastic depth: of the last block, decaying linearly from 1", "survival"),
    (
        ", ".join(f"-shortcut{name}" for name in SHORTCUTS),
        "no parameters; 1x1 where the shape changes; 1x1 in every block; no parameters, averaged pixels",
        "shortcut",
    ),
    (", ".join(f"-{order}" for order in ACTIVATION_ORDERS), "He et al. 2016, figure 4", "activation_order"),
    ("-batchnorm, -groupnorm, -nonorm", "normalization; groups of two channels or more, 32 at most", "norm"),
    (", ".join(f"-{activation}" for activation in ACTIVATIONS), "nonlinearity", "activation"),
    ("-averagepool, -maxpool", "the global pooling before the classifier", "pool"),
)

_BLOCK = re.compile(r"B\(\s*([0-9]{1,3}(?:\s*,\s*[0-9]{1,3})*)\s*\)")
_WORDS: dict[str, tuple[str, str]] = {
    "basic": ("block", "basic"),
    "bottleneck": ("block", "bottleneck"),
    **{f"shortcut{value}": ("shortcut", value) for value in SHORTCUTS},
    **{value: ("activation_order", value) for value in ACTIVATION_ORDERS},
    **{"nonorm" if value == "none" else f"{value}norm": ("norm", value) for value in NORMS},
    **{value: ("activation", value) for value in ACTIVATIONS},
    **{f"{value}pool": ("pool", value) for value in POOLS},
}
WORD_OF = {value: word for word, value in _WORDS.items()}
_NUMBERED = {"w": "k", "dropout": "dropout", "survival": "survival"}


def parse_block(text: str) -> Kernels:
    """The kernel sizes of a block, (3, 1, 3) for "B(3,1,3)".

    Raises:
        NotationError: The text is not of this form.
    """
    match = _BLOCK.fullmatch(text.strip())
    if match is None:
        raise NotationError(f"block {quoted(text)}; allowed: B(M) with M a list of odd kernel sizes, such as B(3,1,3)")
    return tuple(int(kernel) for kernel in match[1].split(","))


def read_option(option: str) -> tuple[str, Any]:
    """(axis, value) of one option; ("", None) for a text that is not an option.

    Args:
        option: Without its hyphen, such as "dropout0.3".
    """
    if option.startswith("B("):
        return ("block", parse_block(option)) if _BLOCK.fullmatch(option) else ("", None)
    if option in _WORDS:
        return _WORDS[option]
    if match := re.fullmatch(rf"(w|dropout|survival)({NUMBER})", option):
        return _NUMBERED[match[1]], float(match[2])
    return "", None


@lru_cache(maxsize=64)
def option_words(family: Family) -> tuple[str, ...]:
    """The options that names of a family may have, such as "shortcutB" and "dropout<rate>"."""
    words = ["B(3,1,...)"] if "l" in family.axes else ["basic", "bottleneck"] if "block" in family.axes else []
    in_head = any("<k>" in head for head in (*family.heads, *family.shared))
    words += ["w<k>"] if "k" in family.axes and not in_head else []
    words += [word for word in ("dropout<rate>", "survival<p>") if word.partition("<")[0] in family.axes]
    words += [word for word, (axis, _) in _WORDS.items() if axis in family.axes and axis != "block"]
    return tuple(words)


def clip(text: str, length: int = 60) -> str:
    """A text as one line of a message: unprintable characters escaped, the end replaced by "…" if it is too long."""
    text = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text[: length + 1])
    return text if len(text) <= length else text[: length - 1] + "…"


def quoted(text: str) -> str:
    """A text in quotation marks, clipped, and its first letter that is not ASCII: no name has one.

    Args:
        text: That is refused as a name.
    """
    return f"'{clip(text)}'{foreign_letter(text)}"
