"""The table of losses. A package adds one by an entry point in the group `ablate.losses`.

An entry makes two functions. The training loss is what is minimized, with label smoothing, mixed labels and class weights;
it is the `train_loss` of a record. The test loss is without them, and is the `test_loss`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, NamedTuple, Optional

from pydantic import Field

from ablate.errors import NotationError
from ablate.own_code import OwnCode
from ablate.registry import Kind, Registry, Settings

if TYPE_CHECKING:
    from torch import Tensor

LabelSmoothing = Annotated[
    float, Field(ge=0, lt=1, description="the part of each label that is spread evenly over all classes")
]
OFFERED = ("logits", "labels")  # to a loss of the user's own, by name

# (logits float32 (B, classes); labels int64 (B,) from 0, or their shares float32 (B, classes)) -> the mean loss, a scalar
LossFunction = Callable[["Tensor", "Tensor"], "Tensor"]


class LossFunctions(NamedTuple):
    """The two functions of a loss.

    Args:
        train: The training loss.
        test: The test loss.
    """

    train: LossFunction
    test: LossFunction


@dataclass(frozen=True, eq=False, kw_only=True)
class Loss(Kind):
    """A loss that a recipe can name.

    Args:
        build: (settings, class weights float32 (classes,) or None) -> the two functions.
        weighted: Whether it takes class weights.
        capturable: Whether a step with it can be part of a CUDA graph.
    """

    build: Callable[[Settings, Optional[Tensor]], LossFunctions]
    weighted: bool = True
    capturable: bool = True


def shares_of(labels: Tensor, classes: int) -> Tensor:
    """The share of each class in the label of each image, float32 (B, classes).

    Args:
        labels: int64 (B,), from 0; or shares, which are returned unchanged.
        classes: How many.
    """
    import torch

    if labels.ndim == 2:
        return labels
    return (labels[:, None] == torch.arange(classes, device=labels.device)).float()


def _cross_entropy(settings: Settings, weights: Tensor | None) -> LossFunctions:
    """Cross-entropy in nats. Class weights are factors on an image's loss; the mean is over the images."""
    import torch.nn.functional as F

    smoothing = settings["label_smoothing"]

    def train(logits: Tensor, labels: Tensor) -> Tensor:
        if weights is None:
            return F.cross_entropy(logits, labels, label_smoothing=smoothing)
        # torch's own weights are those of each class in a smoothed label, where a class without images has a huge one.
        each = F.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)
        return (each * (shares_of(labels, logits.shape[1]) @ weights)).mean()

    return LossFunctions(train, F.cross_entropy)


def _binary_cross_entropy(settings: Settings, weights: Tensor | None) -> LossFunctions:
    """Binary cross-entropy in nats of each class by itself, the mean over classes and images.

    Source: Wightman et al., "ResNet strikes back", section 2.2. Labels are smoothed, and made 0 or 1 by the threshold, as
    in the authors' code.
    """
    import torch.nn.functional as F

    smoothing, threshold = settings["label_smoothing"], settings["target_threshold"]

    def train(logits: Tensor, labels: Tensor) -> Tensor:
        shares = shares_of(labels, logits.shape[1])
        targets = shares * (1 - smoothing) + smoothing / logits.shape[1] if smoothing else shares
        targets = targets if threshold is None else (targets > threshold).float()
        factors = None if weights is None else (shares @ weights)[:, None]
        return F.binary_cross_entropy_with_logits(logits, targets, factors)

    def test(logits: Tensor, labels: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, shares_of(labels, logits.shape[1]))

    return LossFunctions(train, test)


LOSSES = Registry(
    "ablate.losses",
    Loss,
    Loss(
        name="cross_entropy",
        words="cross-entropy",
        explained="cross-entropy of the softmax over the classes",
        fields={"label_smoothing": LabelSmoothing},
        defaults={"label_smoothing": 0.0},
        build=_cross_entropy,
    ),
    Loss(
        name="bce",
        words="binary cross-entropy",
        explained='each class by itself, as in "ResNet strikes back"',
        fields={
            "label_smoothing": LabelSmoothing,
            "target_threshold": Annotated[
                float | None,
                Field(ge=0, lt=1, description="shares of a mixed or smoothed label above this become 1, all others 0"),
            ],
        },
        defaults={"label_smoothing": 0.0, "target_threshold": None},
        build=_binary_cross_entropy,
    ),
)


def find_loss(named: str | OwnCode) -> Loss:
    """The entry of a loss: of the table, or made for the user's own code.

    The user's own code is a function `f(logits, labels, **args)` that returns the mean loss of a batch, a scalar tensor.
    The logits are float32 (B, classes), the labels int64 (B,); with mixup or cutmix they are the shares of the classes,
    float32 (B, classes), in training. It is the test loss too. A step with it is no part of a CUDA graph.

    Args:
        named: A name of the table, or own code.

    Raises:
        KeyError: There is no such name.
    """
    if isinstance(named, str):
        return LOSSES[named]
    own = named

    def build(settings: Settings, weights: Tensor | None) -> LossFunctions:
        bound = own.bind()

        def loss(logits: Tensor, labels: Tensor) -> Tensor:
            found = bound(logits=logits.clone(), labels=labels.clone())  # it may write to them
            return checked_loss(found, own.python, logits)

        return LossFunctions(loss, loss)

    return Loss(name=own.python, words=str(own), build=build, weighted=False, capturable=False)


def checked_loss(value: object, reference: str, logits: Tensor) -> Tensor:
    """What a user's loss returned, if it is a scalar tensor.

    Args:
        value: What it returned.
        reference: The code, for the message.
        logits: What it received; if these have gradients, the loss must have one.

    Raises:
        NotationError: It is something else.
    """
    from torch import Tensor

    if not isinstance(value, Tensor) or value.ndim:
        found = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise NotationError(f"{reference} returned {found}; allowed: a scalar tensor, the mean loss of the batch")
    if logits.requires_grad and not value.requires_grad:
        raise NotationError(f"{reference} returned a tensor without a gradient; allowed: one computed from the logits")
    return value
