"""recipe.compile: the repeated block compiled, in a numeric class of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ablate.api import load_study
from ablate.data.location import Location
from ablate.errors import RunError, StudyError
from ablate.nets import blueprint as bp
from ablate.nets.build import build, compile_blocks
from ablate.nets.notation import parse_architecture
from ablate.records.epochs import read_epochs
from ablate.study.study import Trial
from ablate.train import setup
from ablate.train.job import Job
from ablate.train.trial import train_trial

LONG = """\
name: long
data: cifar10
recipe: {base: wrn_cifar, compile: auto}
seeds: 1
variants: [{net: [WRN-28-2, WRN-10-1]}]
"""


def test_auto_is_decided_by_what_a_training_costs(tmp_path: Path) -> None:
    """WRN-28-2 takes 67.5 s an epoch on a Titan X, so 54 epochs are more than an hour and 53 are less."""

    def choices(*overrides: str) -> dict[str, str]:
        (tmp_path / "long.yaml").write_text(LONG)
        return {variant.net: variant.recipe.compile for variant in load_study(tmp_path / "long.yaml", overrides).variants}

    assert choices("data.test_size=2") == {"WRN-28-2": "always", "WRN-10-1": "never"}
    assert choices("recipe.epochs=54", "data.test_size=2")["WRN-28-2"] == "always"
    assert choices("recipe.epochs=53", "data.test_size=2")["WRN-28-2"] == "never"


def test_it_is_in_a_trials_id_where_it_is_compiled(tmp_path: Path) -> None:
    def ids(*overrides: str) -> list[str]:
        (tmp_path / "long.yaml").write_text(LONG)
        return [trial.id for trial in load_study(tmp_path / "long.yaml", overrides).trials()]

    auto, always, never = ids(), ids("recipe.compile=always"), ids("recipe.compile=never")
    assert auto == [always[0], never[1]] and not set(always) & set(never)


def test_not_with_activations_computed_again(tmp_path: Path) -> None:
    (tmp_path / "long.yaml").write_text(LONG.replace("auto", "auto, checkpoint_activations: blocks"))
    with pytest.raises(StudyError, match=r"long\.yaml:3:\d+: recipe: .*compile needs checkpoint_activations: none"):
        load_study(tmp_path / "long.yaml")


def test_without_a_compiler_it_is_refused_in_words(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup.shutil, "which", lambda name: None)
    with pytest.raises(RunError, match=r"recipe\.compile: .*C\+\+ compiler.*use compile: never"):
        train_trial(job(tiny, tmp_path / "runs", "always"), lambda: False, lambda row: None)


def job(tiny: Path, runs: Path, compiled: str, net: str = "WRN-10-0.25") -> Job:
    study = load_study(tiny, [f"recipe.compile={compiled}", "recipe.epochs=2"]).study
    trial = Trial(parse_architecture(net), study.recipe, study.data, 3)
    return Job(trial, runs, Location(tiny.parent, tiny.parent / "cache"))


@pytest.mark.parametrize("net", ["WRN-10-0.25-dropout0.3", "ResNet-8-w0.25-survival0.5"])
def test_compiled_blocks_draw_the_same_and_resume(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, net: str
) -> None:
    """What is traced, by itself: compiled by nothing it is the plain network, dropout and blocks left out included."""
    compiled: list[object] = []
    compile = torch.compile

    def traced(function: object, **how: object) -> object:
        compiled.append(function)
        return compile(function, backend="eager", **how)  # type: ignore[call-overload]

    monkeypatch.setattr(torch, "compile", traced)
    torch.set_num_threads(1)
    plain, whole, halved = (job(tiny, tmp_path / f"{n}", how, net) for n, how in enumerate(("never", "always", "always")))
    for one in (plain, whole):
        assert train_trial(one, lambda: False, lambda row: None) == "completed"
    assert train_trial(halved, lambda: True, lambda row: None) == "interrupted"
    assert train_trial(halved, lambda: False, lambda row: None) == "completed"
    losses = [[row["train_loss"] for row in read_epochs(one.runs / one.trial.id)] for one in (plain, whole, halved)]
    assert losses[0] == losses[1] == losses[2] and len(compiled) == 3 * 3


def test_a_compiled_block_computes_the_same_and_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._inductor import config

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(config, "compile_threads", 1)  # no pool of processes that import torch
    monkeypatch.setattr(config.cpp, "vec_isa_ok", False)  # no code to see which instructions there are
    monkeypatch.setattr(config, "cpp_cache_precompile_headers", False)  # for three files
    layers = bp.BatchNorm(4), bp.Activation("relu", True), bp.Conv(4, 4, 3)
    blueprint = bp.Blueprint((4, 6, 6), (bp.Section("block", (bp.Residual((), layers, (), ()),)),))
    images = torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(0)).to(memory_format=torch.channels_last)

    def gradient(compiled: bool) -> torch.Tensor:
        block = build(blueprint, torch.Generator().manual_seed(1)).to(memory_format=torch.channels_last)  # type: ignore
        if compiled:
            compile_blocks(block)
        block(images).square().mean().backward()
        return torch.cat([parameter.grad.flatten() for parameter in block.parameters()])

    plain, once = gradient(False), gradient(True)
    made = sorted(tmp_path.rglob("*.so"))
    torch._dynamo.reset()  # as in another process, which finds what was compiled
    assert torch.allclose(plain, once, atol=1e-6) and torch.equal(once, gradient(True))
    assert made and sorted(tmp_path.rglob("*.so")) == made
