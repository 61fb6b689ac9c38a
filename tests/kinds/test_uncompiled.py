"""torch's optimizers without torch.compile: the same bits, and no import of the compiler."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from ablate.kinds.uncompiled import uncompiled

# A step of each optimizer that a recipe can name, with torch as a worker sets it. What is compiled imports the rest.
SCRIPT = """\
import os, sys, torch
from pathlib import Path
from ablate.kinds.optimizers import OPTIMIZERS
from ablate.train.setup import configure
configure("cpu")
for name in ("sgd", "adam", "adamw", "nadam", "rmsprop", "muon"):
    entry = OPTIMIZERS[name]
    weight = torch.nn.Parameter(torch.ones(3, 3))
    arguments = {"lr": 0.1, "weight_decay": 0.1, "foreach": True, "fused": False}
    optimizer = entry.build([{"params": [weight]}], arguments, dict(entry.defaults))
    weight.sum().backward()
    optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
    optimizer.zero_grad()
print(torch.are_deterministic_algorithms_enabled(), {"torch._dynamo", "torch._inductor"} & set(sys.modules))

from ablate.nets.families import blueprint, task_of
from ablate.nets.notation import parse_architecture
from ablate.study.recipe import Recipe
from ablate.train.setup import make_network
network, recipe = parse_architecture("WRN-10-0.25"), Recipe.named("wrn_cifar", compile="always")
make_network(blueprint(network, *task_of(network, None, None, 3)), recipe, 0, torch.device("cpu"), Path("cache"))
import torch._inductor.config
print(os.environ["TORCHINDUCTOR_CACHE_DIR"], torch._inductor.config.deterministic)
"""


def test_the_compiler_is_imported_where_a_recipe_compiles_and_keeps_its_code_in_the_cache(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TORCHINDUCTOR_CACHE_DIR"}
    line = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(line, capture_output=True, text=True, cwd=tmp_path, env=environment)
    first, second = done.stdout.splitlines() or [done.stderr, ""]
    assert first == "True set()"
    cache, strict = second.split()
    assert (tmp_path / cache).resolve() == (tmp_path / "cache/compiled").resolve() and strict == "True"


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
        (torch.optim.AdamW, {"weight_decay": 0.1}),
        (torch.optim.NAdam, {}),
        (torch.optim.RMSprop, {"momentum": 0.9}),
    ],
)
def test_steps_and_states_are_those_of_torch(kind: Any, settings: dict[str, Any]) -> None:
    def trained(made: Any) -> tuple[torch.Tensor, dict[str, Any]]:
        weight = nn.Parameter(torch.linspace(-1, 1, 7))
        optimizer = made([weight], lr=0.1, **settings)
        for _ in range(3):
            optimizer.zero_grad()
            weight.square().sum().backward()
            optimizer.step()
            again = made([weight], lr=0.5, **settings)
            again.load_state_dict(optimizer.state_dict())
            optimizer = again
        assert weight.requires_grad and torch.is_grad_enabled()
        return weight.detach(), optimizer.state_dict()

    (ours, state), (theirs, known) = trained(uncompiled(kind)), trained(kind)
    assert torch.equal(ours, theirs)
    assert state["param_groups"] == known["param_groups"] and state["state"].keys() == known["state"].keys()
    for name, value in known["state"][0].items():
        found = state["state"][0][name]
        assert torch.equal(found, value) if isinstance(value, torch.Tensor) else found == value
