"""What a plan says of own code whose results a training would refuse."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ablate.api import load_study
from ablate.network_experiment import Experiment

CODE = """
import torch

CALLED = []


def loss(logits, labels, ok=True, detached=False):
    CALLED.append(labels.ndim)
    each = logits.logsumexp(1) if ok else logits
    return (each.detach() if detached else each).mean() if ok else each


def rate(step, steps, late=False, huge=False):
    return -1.0 if late and step == steps - 1 else 10**400 if huge else 0.1


def optimizer(network, lr, ok=True, others=False):
    network = torch.nn.Linear(1, 1) if others else network
    return torch.optim.SGD(network.parameters(), lr) if ok else network


def step(images, ok=True):
    return images.flip(3) if ok else images.float()


def build(classes, input_shape):
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, classes))
    return network.requires_grad_(False)


class Own:
    def __init__(self, ok=True):
        self.ok = ok

    def loss(self, logits, labels):
        return logits.mean() if self.ok else 1.0
"""
STUDY = """\
name: own
data: {name: digits, train_size: 64, augment: [flip, {python: results:step}]}
recipe: {base: wrn_cifar, epochs: 2, batch_size: 32, mixup: 0.2}
seeds: 1
variants: [{grid: {net: [WRN-10-0.25, WRN-10-0.5]}}]
"""
GOOD = [
    "recipe.loss={python: results:loss}",
    "recipe.schedule={python: results:rate}",
    "recipe.optimizer={python: results:optimizer}",
]


def loaded(folder: Path, *overrides: str) -> Experiment:
    (folder / "results.py").write_text(CODE)
    (folder / "own.yaml").write_text(STUDY)
    found = load_study(folder / "own.yaml", overrides, runs=folder / "runs")
    assert isinstance(found, Experiment)
    return found


def test_what_fits_is_called_and_nothing_is_said(tmp_path: Path) -> None:
    assert not [line for line in loaded(tmp_path, *GOOD).plan()["remarks"] if "would end" in line]
    import results  # type: ignore[import-not-found]

    assert results.CALLED == [1, 2]  # once for both networks, with labels and with the shares of mixed ones
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "recipe.loss={python: results:loss, args: {ok: false}}",
            "recipe.loss: a training would end: results:loss returned a tensor of shape (4, 10); allowed: a scalar tensor",
        ),
        ("recipe.loss={python: results:loss, args: {detached: true}}", "returned a tensor without a gradient; allowed"),
        ("recipe.schedule={python: results:rate, args: {huge: true}}", "results:rate returned inf in step 0; allowed"),
        ("variants=[{net: {python: results:build}}]", "results:build: a training would end: it has no parameter"),
        (
            "recipe.schedule={python: results:rate, args: {late: true}}",
            "results:rate returned -1 in step 3; allowed: a finite",
        ),
        (
            "recipe.optimizer={python: results:optimizer, args: {others: true}}",
            "an optimizer of no parameter of the network",
        ),
        ("recipe.optimizer={python: results:optimizer, args: {ok: false}}", "allowed: a torch.optim.Optimizer"),
        ("data.augment=[{python: results:step, args: {ok: false}}]", "results:step returned float32 (4, 1, 8, 8) on cpu"),
        (
            "recipe={base: wrn_cifar, batch_size: 32, python: results:Own, args: {ok: false}}",
            "recipe: a training would end: results:Own returned",
        ),
    ],
)
def test_what_a_training_would_refuse_is_said(tmp_path: Path, change: str, said: str) -> None:
    (line,) = [line for line in loaded(tmp_path, *GOOD[:1], change).plan()["remarks"] if "would end" in line]
    assert said in line


def test_without_own_code_no_torch_is_imported() -> None:
    code = "import sys, ablate.train.own_results as own; own.own_result_errors(()); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
