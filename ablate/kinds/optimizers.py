"""The table of optimizers. A package adds one by an entry point in the group `ablate.optimizers`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ablate.errors import NotationError
from ablate.own_code import OwnCode
from ablate.registry import Kind, Registry, Settings

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer as TorchOptimizer

Beta = Annotated[float, Field(ge=0, lt=1)]
Betas = Annotated[tuple[Beta, Beta], Field(description="decay of the averages of the gradient and of its square")]
Momentum = Annotated[float, Field(ge=0, lt=1, description="factor on the last update")]
Nesterov = Annotated[bool, Field(description="Nesterov momentum")]
Eps = Annotated[float, Field(gt=0, le=1, description="added to the denominator")]
OFFERED = ("network", "lr", "weight_decay")  # to an optimizer of the user's own, by name


@dataclass(frozen=True, eq=False, kw_only=True)
class Optimizer(Kind):
    """An optimizer that a recipe can name.

    Args:
        build: (parameter groups, arguments, settings) -> the torch optimizer. The arguments are those that torch's
            optimizers share: `lr`, `weight_decay`, and the implementation of the update: `foreach`, `fused`. One of the
            user's own receives the network in place of the groups, which it makes itself.
        states: Settings -> how many float32 numbers the optimizer keeps for each weight.
        capturable: Whether an update can be part of a CUDA graph, which needs a learning rate on the device.
        initial: Initial values of states that do not begin at zero, by their names in the torch optimizer's state.
        package: A package that it needs and that may not be installed; "" if there is none.
    """

    build: Callable[[Any, Settings, Settings], TorchOptimizer]
    states: Callable[[Settings], int]
    capturable: bool = True
    initial: Mapping[str, float] = field(default_factory=dict)
    package: str = ""

    @property
    def missing(self) -> str:
        """Why it cannot be used here: its package is not installed; "" if it can be."""
        if not self.package or find_spec(self.package):
            return ""
        return f"recipe.optimizer: {self.name} needs the package {self.package}; run: pip install {self.package}"


def _of_torch(name: str, fused: bool = True) -> Callable[[Any, Settings, Settings], TorchOptimizer]:
    """The `build` of an optimizer of torch with these settings.

    It is capturable where an update is to be fused, so that it can be part of a CUDA graph; SGD is without being told.

    Args:
        name: In torch.optim.
        fused: Whether it has a fused update.
    """

    def build(groups: Any, arguments: Settings, settings: Settings) -> TorchOptimizer:
        import torch

        from ablate.kinds.uncompiled import uncompiled

        shared = dict(arguments) if fused else {**_rates(arguments), "foreach": True}
        shared |= {} if name == "SGD" else {"capturable": arguments["fused"]}
        made: TorchOptimizer = uncompiled(getattr(torch.optim, name))(groups, **shared, **settings)
        return made

    return build


def _rates(arguments: Settings) -> dict[str, Any]:
    """The learning rate and the weight decay, without how an update is computed."""
    return {key: arguments[key] for key in ("lr", "weight_decay")}


def _muon(groups: Any, arguments: Settings, settings: Settings) -> TorchOptimizer:
    """torch's Muon for the weights of layers, and its AdamW for all other parameters."""
    from ablate.kinds.muon import MuonAndAdamW

    return MuonAndAdamW(groups, arguments, settings)  # type: ignore[return-value]


def _lamb(groups: Any, arguments: Settings, settings: Settings) -> TorchOptimizer:
    """timm's LAMB with these settings. Gradients are clipped only by the recipe's `clip_norm`."""
    from timm.optim.lamb import Lamb

    return Lamb(groups, **_rates(arguments), **settings, max_grad_norm=float("inf"))


def _check_momentum(settings: Settings) -> str:
    """The error in the settings of an optimizer with Nesterov momentum; "" if there is none."""
    return "nesterov needs a momentum above 0" if settings["nesterov"] and settings["momentum"] == 0 else ""


ADAM = {"betas": (0.9, 0.999), "eps": 1e-8}

OPTIMIZERS = Registry(
    "ablate.optimizers",
    Optimizer,
    Optimizer(
        name="sgd",
        words="SGD",
        fields={"momentum": Momentum, "nesterov": Nesterov},
        check=_check_momentum,
        build=_of_torch("SGD"),
        states=lambda settings: int(settings["momentum"] > 0),
    ),
    Optimizer(
        name="adam", words="Adam", fields={"betas": Betas, "eps": Eps}, build=_of_torch("Adam"), states=lambda settings: 2
    ),
    Optimizer(
        name="adamw",  # source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization"
        words="AdamW",
        explained="Adam with decoupled weight decay",
        fields={"betas": Betas, "eps": Eps},
        defaults=ADAM,
        build=_of_torch("AdamW"),
        states=lambda settings: 2,
    ),
    Optimizer(
        name="nadam",  # source: Dozat, "Incorporating Nesterov Momentum into Adam"
        words="NAdam",
        explained="Adam with Nesterov momentum",
        fields={
            "betas": Betas,
            "eps": Eps,
            "momentum_decay": Annotated[float, Field(ge=0, le=1, description="of NAdam's momentum schedule")],
            "decoupled_weight_decay": Annotated[bool, Field(description="weight decay as in AdamW")],
        },
        defaults={**ADAM, "momentum_decay": 4e-3, "decoupled_weight_decay": False},
        build=_of_torch("NAdam", fused=False),
        states=lambda settings: 2,
        initial={"mu_product": 1.0},
    ),
    Optimizer(
        name="rmsprop",
        words="RMSprop",
        explained="the gradient divided by the root of its mean square",
        fields={
            "alpha": Annotated[float, Field(ge=0, lt=1, description="decay of the average of the squared gradient")],
            "momentum": Momentum,
            "eps": Eps,
            "centered": Annotated[bool, Field(description="divides by the standard deviation of the gradient")],
        },
        defaults={"alpha": 0.99, "momentum": 0.0, "eps": 1e-8, "centered": False},
        build=_of_torch("RMSprop", fused=False),
        states=lambda settings: 1 + int(settings["momentum"] > 0) + int(settings["centered"]),
    ),
    Optimizer(
        name="muon",  # source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks"
        words="Muon",
        explained="orthogonalized updates of the weights of convolutions and linear layers; AdamW for all other parameters",
        fields={
            "momentum": Momentum,
            "nesterov": Nesterov,
            "ns_steps": Annotated[int, Field(ge=1, lt=100, description="Newton-Schulz iterations")],
            "adjust_lr": Annotated[
                Literal["original", "match_rms_adamw", "spectral_unclamped"],
                Field(description="how the rate depends on a matrix's shape; match_rms_adamw: rates of AdamW fit"),
            ],
            "betas": Betas,
            "eps": Eps,
        },
        defaults={"momentum": 0.95, "nesterov": True, "ns_steps": 5, "adjust_lr": "match_rms_adamw", **ADAM},
        check=_check_momentum,
        build=_muon,
        states=lambda settings: 1,
        capturable=False,  # torch's Muon reads the learning rate on the host
    ),
    Optimizer(
        name="lamb",  # source: You et al., "Large Batch Optimization for Deep Learning"
        words="LAMB",
        explained="Adam with a rate for each layer, for large batches; needs the package timm",
        fields={"betas": Betas, "eps": Eps},
        defaults={"betas": (0.9, 0.999), "eps": 1e-6},
        build=_lamb,
        states=lambda settings: 2,
        capturable=False,  # timm's LAMB counts its steps on the host
        package="timm",
    ),
)


def find_optimizer(named: str | OwnCode) -> Optimizer:
    """The entry of an optimizer: of the table, or made for the user's own code.

    The user's own code is a function `f(network, **args)` that returns a torch optimizer of the network's parameters. It
    is offered `lr`, the recipe's learning rate, and `weight_decay` where it has parameters of these names. Of the memory
    it is assumed that two numbers are kept for each weight. Its updates are no part of a CUDA graph.

    Args:
        named: A name of the table, or own code.

    Raises:
        KeyError: There is no such name.
    """
    if isinstance(named, str):
        return OPTIMIZERS[named]
    own = named

    def build(network: nn.Module, arguments: Settings, settings: Settings) -> TorchOptimizer:
        made = own.call(network=network, **_rates(arguments))
        return checked_optimizer(made, own.python, network)

    return Optimizer(name=own.python, words=str(own), build=build, states=lambda settings: 2, capturable=False)


def checked_optimizer(made: Any, reference: str, network: nn.Module) -> TorchOptimizer:
    """What a user's code returned, if it is an optimizer of the network.

    Args:
        made: What it returned.
        reference: The code, for the message.
        network: What is trained.

    Raises:
        NotationError: It is something else.
    """
    if not all(hasattr(made, name) for name in ("step", "zero_grad", "state_dict", "load_state_dict", "param_groups")):
        raise NotationError(f"{reference} returned {type(made).__name__}; allowed: a torch.optim.Optimizer")
    trained = {id(parameter) for group in made.param_groups for parameter in group.get("params", ())}
    if trained.isdisjoint(map(id, network.parameters())):
        raise NotationError(
            f"{reference} returned an optimizer of no parameter of the network; pass it network.parameters()"
        )
    return made  # type: ignore[no-any-return]
