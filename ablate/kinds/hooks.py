"""A recipe of the user's own: `recipe: {base: ..., python: module:Recipe, args: {...}}`.

The callable, usually a class, is called with its args. It returns an object with some of these methods:

    optimizer(network)                  -> the torch optimizer, in place of the recipe's
    rate(step)                          -> the learning rate of a step, from 0, in place of the schedule's; it may also have
                                           the parameters steps, steps_per_epoch, epochs and lr
    batch(images, labels, generator)    -> (images, labels) to train on; images float32 (B, C, H, W), normalized; labels
                                           int64 (B,), or shares of the classes, float32 (B, classes); the generator, on
                                           the images' device, is seeded by (seed, epoch)
    loss(logits, labels)                -> the mean loss, a scalar tensor, in place of the recipe's, also in tests
    after_step(network)                 -> nothing; called after each update

An object that keeps a state from one epoch to the next has state_dict() and load_state_dict(state), of tensors and plain
values, so that a resumed training equals an uninterrupted one. Steps of such a recipe are no part of a CUDA graph.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from typing import Any

from ablate.errors import NotationError
from ablate.own_code import OwnCode
from ablate.own_modules import own_errors

HOOKS: Mapping[str, tuple[str, ...]] = {  # method -> what it is given, in order
    "optimizer": ("network",),
    "rate": ("step",),
    "batch": ("images", "labels", "generator"),
    "loss": ("logits", "labels"),
    "after_step": ("network",),
}
STATE = ("state_dict", "load_state_dict")
OFFERED = ("steps", "steps_per_epoch", "epochs", "lr")  # to rate(), by name


class Hooks:
    """The methods of an object of the user's own, each with errors that name the user's file and line.

    Args:
        own: The callable that makes the object.

    Raises:
        NotationError: It raises an error, or what it returns does not have these methods.
    """

    def __init__(self, own: OwnCode) -> None:
        self.own, self.made = own, own.call()
        self.found: dict[str, Callable[..., Any]] = {}
        for name in (*HOOKS, *STATE):
            if callable(method := getattr(self.made, name, None)):
                self.found[name] = method
        if not any(name in self.found for name in HOOKS):
            wanted = ", ".join(f"{name}({', '.join(given)})" for name, given in HOOKS.items())
            raise NotationError(
                f"{own.python} returned {type(self.made).__name__}; allowed: an object with any of {wanted}"
            )
        if sum(name in self.found for name in STATE) == 1:
            raise NotationError(f"{own.python} has one of {' and '.join(STATE)}; write both, or none")
        for name, given in HOOKS.items():
            if name in self.found:
                self._check(name, given)

    def _check(self, name: str, given: tuple[str, ...]) -> None:
        """Check that a method can be called with what it is given."""
        try:
            signature = inspect.signature(self.found[name])
        except ValueError:  # some callables that are written in C have no signature
            return
        offered = [key for key in OFFERED if name == "rate" and key in signature.parameters]
        try:
            signature.bind(*given, **dict.fromkeys(offered))
        except TypeError as error:
            wanted = f"{name}({', '.join(given)})"
            raise NotationError(f"{self.own.python}: {name}{signature}: {error}; allowed: {wanted}") from None

    def __contains__(self, name: str) -> bool:
        return name in self.found

    def call(self, name: str, *given: Any, **offered: Any) -> Any:
        """Call a method that the object has.

        Args:
            name: Of the method.
            given: Its arguments, in order.
            offered: Arguments that it gets if it has parameters of these names.

        Raises:
            NotationError: The method raises an error.
        """
        method = self.found[name]
        with own_errors(self.own.python), redirect_stdout(sys.stderr):
            names = inspect.signature(method).parameters if offered else ()
            return method(*given, **{key: value for key, value in offered.items() if key in names})

    def state(self) -> Any:
        """The object's state for a checkpoint; None if it keeps none."""
        return self.call("state_dict") if "state_dict" in self else None

    def restore(self, state: Any) -> None:
        """Load the object's state.

        Args:
            state: From state(); None: the object keeps none.
        """
        if state is not None and "load_state_dict" in self:
            self.call("load_state_dict", state)
