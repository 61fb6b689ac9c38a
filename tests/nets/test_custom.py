"""The readers' own networks and blocks, in a study: counted, trained, resumed, and their errors at their lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from ablate.api import load_study
from ablate.errors import StudyError
from ablate.launch.options import RunOptions
from ablate.nets.architecture import Architecture
from ablate.nets.build import build
from ablate.nets.counts import count
from ablate.nets.custom import CustomModule
from ablate.nets.families import blueprint
from ablate.network_experiment import Experiment
from ablate.records.epochs import read_epochs
from ablate.records.records import trial_directory
from ablate.train.job import Job
from ablate.train.trial import train_trial

MODULE = '''\
import torch
from torch import nn


def small(width=8, depth=1, classes=10, input_shape=(3, 32, 32)):
    layers, channels = [], input_shape[0]
    for _ in range(depth):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.Dropout(0.2)]
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


class Block(nn.Module):
    """A wide ResNet's basic block, by hand."""

    def __init__(self, in_channels, out_channels, stride):
        super().__init__()
        self.opening = nn.Sequential(nn.BatchNorm2d(in_channels), nn.ReLU())
        self.branch = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False),
        )
        self.same = in_channels == out_channels and stride == 1
        self.shortcut = nn.Identity() if self.same else nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)

    def forward(self, x):
        y = self.opening(x)
        return self.shortcut(x if self.same else y) + self.branch(y)


def narrow(in_channels, out_channels, stride):
    return nn.Conv2d(in_channels, out_channels // 2, 3, stride, 1)


def raises(width=3):
    return nn.Linear(width, 1 / 0)


class Fails(nn.Module):
    def forward(self, x):
        return x @ torch.zeros(5, 5)


def chain():
    return nn.Sequential(nn.Flatten(), nn.Linear(7, 10))


def text():
    return "a network"


def wrong_classes():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 3))


number = 3
'''


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a study and a module beside it, importable as `readers`."""
    (tmp_path / "readers.py").write_text(MODULE)
    before, loaded = list(sys.path), set(sys.modules)
    monkeypatch.chdir(tmp_path)
    yield tmp_path / "study.yaml"
    sys.path[:] = before
    for name in set(sys.modules) - loaded:
        if name.startswith("readers"):
            del sys.modules[name]


def write(path: Path, *variants: str, **top: str) -> Path:
    keys = {"name": "own", "data": "{name: digits, train_size: 96, test_size: 32}", "seeds": "1"}
    keys |= {"recipe": "{base: wrn_cifar, epochs: 2, batch_size: 32}", **top}
    lines = [f"{key}: {text}" for key, text in keys.items()]
    path.write_text("\n".join([*lines, "variants:", *(f"  - {variant}" for variant in variants)]) + "\n")
    return path


def test_arguments_are_axes_and_counts_are_exact(study: Path) -> None:
    write(study, "grid: {net: {python: readers:small, args: {depth: 2}}, args.width: [4, 6]}")
    small, large = load_study(study).variants
    assert [small.net, large.net] == ["width 4", "width 6"]
    assert small.whole_name == "readers:small(depth=2, width=4)"
    for variant, width in ((small, 4), (large, 6)):
        weights = 9 * width + 9 * width**2
        assert variant.counts.parameters == weights + 2 * width + 10 * width + 10
        assert variant.counts.multiply_adds == weights * 64 + 10 * width  # one channel, 8x8
        assert variant.counts.activations == 2 * 64 * width + 10
        assert variant.counts.layers == 3
    names = json.loads(small.trials((0,))[0].definition)["network"]
    assert (names["python"], names["args"]) == ("readers:small", '{"depth": 2, "width": 4}')


def test_one_at_a_time_and_zip(study: Path) -> None:
    write(
        study,
        "one_at_a_time: {base: {python: readers:small}, args.width: [4], args.depth: [2]}",
        "zip: {net: {python: readers:small}, args.width: [3, 5], recipe.lr: [0.1, 0.2]}",
        where="parameters < 10000",
    )
    assert [variant.net for variant in load_study(study).variants] == [
        "base",
        "width 4",
        "depth 2",
        "width 3",
        "width 5",
    ]


def test_a_reader_s_block_in_the_wide_skeleton_equals_ours(study: Path) -> None:
    write(study, "grid: {block: [B(3,3), readers:Block], depth: 16, k: 2}")
    ours, theirs = load_study(study).variants
    assert theirs.net == "WRN-16-2-readers:Block"
    for measure in ("parameters", "multiply_adds", "activations", "layers"):
        assert getattr(ours.counts, measure) == getattr(theirs.counts, measure)
    weights = (build(variant.blueprint).state_dict() for variant in (ours, theirs))
    assert [w.shape for w in next(weights).values()] == [w.shape for w in next(weights).values()]


def test_training_follows_the_seed_and_resumes_bit_for_bit(study: Path, tmp_path: Path) -> None:
    write(study, "net: {python: readers:small}", "grid: {block: readers:Block, k: 0.5, depth: 10}", seeds="2")

    def losses(experiment: Experiment) -> list[list[float]]:
        assert experiment.run(RunOptions(inline=True, quiet=True)).exit_code == 0
        return [
            [row["train_loss"] for row in read_epochs(trial_directory(experiment.runs, trial.id))]
            for trial in experiment.trials()
        ]

    whole = losses(load_study(study, runs=tmp_path / "whole"))
    halved = load_study(study, runs=tmp_path / "halved")
    for trial in halved.trials():
        job = Job(trial, halved.runs, halved.location(), folders=(tmp_path,))
        assert train_trial(job, lambda: True, lambda row: None) == "interrupted"
    assert losses(halved) == whole
    assert len({str(of_trial) for of_trial in whole}) == 4


def test_initialization_is_the_readers_own_and_repeatable() -> None:
    architecture = Architecture(1, family="python", python="torch.nn:Linear", args='{"in_features": 3, "out_features": 2}')
    first, again, other = (
        build(blueprint(architecture), torch.Generator().manual_seed(seed)).state_dict() for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not any(torch.equal(first[key], other[key]) for key in first)
    assert first["network.0.0.bias"].abs().sum() > 0  # ours would be zero


def test_torch_s_global_generator_is_left_alone(study: Path) -> None:
    write(study, "net: {python: readers:small}")
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    (variant,) = load_study(study).variants
    network = build(variant.blueprint, torch.Generator().manual_seed(3))
    assert torch.equal(torch.rand(3), expected)
    assert isinstance(network.network[0], CustomModule) and isinstance(network.network[0][0], nn.Sequential)  # type: ignore[index]


def line_of(text: str) -> int:
    return MODULE.splitlines().index(text) + 1


@pytest.mark.parametrize(
    "reference, said",
    [
        (
            "readers:raises",
            f"readers.py:{line_of('    return nn.Linear(width, 1 / 0)')}: ZeroDivisionError: division by zero",
        ),
        ("readers:Fails", f"readers.py:{line_of('        return x @ torch.zeros(5, 5)')}: RuntimeError: "),
        ("readers:chain", f"readers.py:{line_of('def chain():')}: RuntimeError: "),
        ("readers:text", "readers:text returned str; allowed: a torch.nn.Module"),
        ("readers:number", "readers:number is int; allowed: a callable"),
        ("readers:absent", "readers:absent: AttributeError: module 'readers' has no attribute 'absent'"),
        ("readers:chan", "module 'readers' has no attribute 'chan'; did you mean 'chain'?"),
        ("absent_module:f", "absent_module:f: ModuleNotFoundError: No module named 'absent_module'"),
        ("readers:wrong_classes", "readers:wrong_classes makes 3x1x1 of 1x8x8; allowed: 10x1x1"),
        ("readers:Block", "TypeError: "),
        ("os:system", "os:system is not written in Python; allowed: a callable that is"),
        ("builtins:print", "builtins:print is not written in Python; allowed"),
        ("builtins:dict", "builtins:dict is not written in Python; allowed"),
    ],
)
def test_errors_name_the_reader_s_line(study: Path, reference: str, said: str) -> None:
    write(study, f"net: {{python: {reference}}}")
    with pytest.raises(StudyError) as caught:
        load_study(study)
    text = str(caught.value)
    assert text.startswith(f"{study}:6:") and said in text and "\n" not in text


def test_an_error_names_the_file_beside_this_study(study: Path) -> None:
    """Another folder may have a module of the same name and text, which was loaded before."""
    for folder in (study.parent, study.parent / "other"):
        folder.mkdir(exist_ok=True)
        (folder / "readers.py").write_text(MODULE)
        with pytest.raises(StudyError) as caught:
            load_study(write(folder / "study.yaml", "net: {python: readers:chain}"))
        assert f"{folder / 'readers.py'}:46: " in str(caught.value)


def test_a_syntax_error_and_a_block_of_another_width(study: Path) -> None:
    (study.parent / "readers_broken.py").write_text("def f(:\n")
    (study.parent / "readers_binary.py").write_text("x = 1\0\n")
    for variant, said in (
        ("net: {python: readers_binary:f}", "readers_binary:f: SyntaxError: source code string cannot contain null bytes"),
        ("net: {python: readers_broken:f}", f"{study.parent / 'readers_broken.py'}:1: SyntaxError"),
        ("grid: {block: readers:narrow, depth: 10, k: 1}", "readers:narrow makes 8x8x8 of 16x8x8; allowed: 16x8x8"),
    ):
        with pytest.raises(StudyError) as caught:
            load_study(write(study, variant))
        assert said in str(caught.value)


@pytest.mark.parametrize(
    "net, said",
    [
        ("{python: nonsense}", "net.python: found 'nonsense'; allowed: package.module:callable"),
        ("{module: a:b}", "net: unknown key 'module'; allowed: python, args"),
        ("{python: a:b, k: 3}", "net: unknown key 'k'; allowed: python, args"),
        ("{python: a:b, args: [1]}", "net.args: found a list; allowed: a mapping"),
        ("readers:small", "net: found 'readers:small'; allowed: a name, or {python: readers:small}"),
        ("WRN-16-1-readers:Block", "network 'WRN-16-1-readers:Block': read 'WRN-16-1', stopped at '-readers:Block'"),
    ],
)
def test_only_the_explicit_key_runs_code(study: Path, net: str, said: str) -> None:
    with pytest.raises(StudyError) as caught:
        load_study(write(study, f"net: {net}"))
    assert said in str(caught.value)
    assert "readers" not in sys.modules


def test_arguments_without_a_network_of_the_reader_s(study: Path) -> None:
    with pytest.raises(StudyError, match=r"args\.width is only valid with package\.module:callable"):
        load_study(write(study, "grid: {net: WRN-10-1, args.width: [3]}"))


def test_changed_code_is_another_trial_but_comments_are_not(study: Path) -> None:
    """The same process throughout: what is counted is what the file now says."""

    def trial(module: str, helper: str = "") -> tuple[str, int]:
        (study.parent / "readers.py").write_text("from readers_helper import *\n" + module)
        (study.parent / "readers_helper.py").write_text(helper)
        (variant,) = load_study(write(study, "net: {python: readers:small}")).variants
        return variant.trials((0,))[0].id, variant.counts.parameters

    first = trial(MODULE)
    assert trial(MODULE.replace("    layers, channels", "    # in layers\n\n    layers, channels")) == first
    wider = trial(MODULE.replace("width=8", "width=16"))
    assert wider[0] != first[0] and wider[1] > first[1]
    assert trial(MODULE) == first
    helped = trial(MODULE, "import math\n")
    assert helped[0] != first[0] and helped[1] == first[1]
    assert trial(MODULE, "# nothing\n") == first


def test_two_studies_of_one_module_name_have_each_their_own(study: Path) -> None:
    other = study.parent / "other" / "study.yaml"
    other.parent.mkdir()
    (other.parent / "readers.py").write_text(MODULE.replace("width=8", "width=16"))
    ours, theirs = (load_study(write(path, "net: {python: readers:small}")).variants[0] for path in (study, other))
    again = load_study(study).variants[0]
    assert ours.counts.parameters == again.counts.parameters < theirs.counts.parameters
    assert ours.trials((0,))[0].id == again.trials((0,))[0].id != theirs.trials((0,))[0].id


def test_imports_at_run_time_are_of_the_study_at_hand(study: Path) -> None:
    """A, B, A: each with a helper of its own, which is imported when the network is made."""
    paths = []
    for folder, width in (("a", 8), ("b", 12)):
        path = study.parent / folder / "study.yaml"
        path.parent.mkdir()
        (path.parent / "readers_helper.py").write_text(f"W = {width}\n")
        (path.parent / "readers.py").write_text(
            "from torch import nn\n\n\ndef late():\n    from readers_helper import W\n\n"
            "    return nn.Sequential(nn.Flatten(), nn.Linear(64, W), nn.Linear(W, 10))\n"
        )
        paths.append(write(path, "net: {python: readers:late}"))
    variants = [load_study(path).variants[0] for path in (paths[0], paths[1], paths[0])]
    assert [variant.counts.parameters for variant in variants] == [65 * w + 10 * (w + 1) for w in (8, 12, 8)]
    first, second, third = (variant.trials((0,))[0].id for variant in variants)
    assert first == third != second


def test_a_package_on_python_s_path_is_digested_like_a_folder_s(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = study.parent / "elsewhere" / "readers_package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "net.py").write_text(
        "from torch import nn\nimport ablate\nfrom .w import W\n\n\ndef build():\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, W), nn.Linear(W, 10))\n"
    )
    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # Python takes a file of the same second and size for the same

    def trial(width: int) -> tuple[str, int]:
        (package / "w.py").write_text(f"W = {width}\n")
        (variant,) = load_study(write(study, "net: {python: readers_package.net:build}")).variants
        return variant.trials((0,))[0].id, variant.counts.parameters

    first, wider = trial(4), trial(9)
    assert first[0] != wider[0] and (first[1], wider[1]) == (65 * 4 + 50, 65 * 9 + 100)
    monkeypatch.chdir(package.parent)  # the id is the same from wherever it is run, and ablate's own code no part of it
    assert trial(4) == first
    monkeypatch.chdir(Path(__file__).parents[2])
    assert trial(4) == first


def test_a_module_beside_the_study_hides_no_installed_one(study: Path) -> None:
    import pandas

    (study.parent / "pandas.py").write_text("raise RuntimeError('not this one')\n")
    (study.parent / "yaml_of_mine.py").write_text(MODULE)
    load_study(write(study, "net: {python: yaml_of_mine:small}"))
    assert sys.modules["pandas"] is pandas
    assert all(Path(folder) != study.parent for folder in sys.path[: sys.path.index(str(Path(pandas.__file__).parents[1]))])


@pytest.mark.parametrize("values", ["[8, 8.0, true]", "['4', 4]"])
def test_arguments_that_compare_equal_are_not_the_same(study: Path, values: str) -> None:
    (study.parent / "readers.py").write_text(
        "from torch import nn\n\n\ndef typed(x):\n"
        "    kinds = {'int': 1, 'float': 2, 'bool': 3, 'str': 4}\n"
        "    layers = [nn.Linear(64, 64) for _ in range(kinds[type(x).__name__])]\n"
        "    return nn.Sequential(nn.Flatten(), *layers, nn.Linear(64, 10))\n"
    )
    variants = load_study(write(study, f"grid: {{net: {{python: readers:typed}}, args.x: {values}}}")).variants
    assert len({variant.counts.parameters for variant in variants}) == len(variants) == values.count(",") + 1
    assert len({variant.net for variant in variants}) == len(variants)


@pytest.mark.parametrize("value", ["[[1, 2], [3, 4]]", "{a: 1}", "1234567890123456789", "null"])
def test_any_argument_that_yaml_can_hold(study: Path, value: str) -> None:
    (study.parent / "readers.py").write_text(
        "from torch import nn\n\n\ndef odd(x=0):\n"
        "    assert x in ([[1, 2], [3, 4]], {'a': 1}, 1234567890123456789, None), x\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))\n"
    )
    inside = f"net: {{python: readers:odd, args: {{x: {value}}}}}"
    beside = f"grid: {{net: {{python: readers:odd}}, args.x: [{value}]}}"
    for entry in (inside, beside):
        (variant,) = load_study(write(study, entry)).variants
        assert variant.counts.parameters == 650 and variant.trials((0,))[0].id


def test_a_block_takes_arguments_and_none_of_the_axes_it_would_ignore(study: Path) -> None:
    (study.parent / "readers.py").write_text(
        "from torch import nn\n\n\ndef block(in_channels, out_channels, stride, kernel=3):\n"
        "    return nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2)\n"
    )
    variants = load_study(write(study, "grid: {block: readers:block, k: 1, depth: 10, args.kernel: [1, 3]}")).variants
    assert [variant.net for variant in variants] == ["kernel 1", "kernel 3"]
    assert variants[0].whole_name == "WRN-10-1-readers:block(kernel=1)"
    assert variants[0].counts.parameters < variants[1].counts.parameters
    for axis in (
        "dropout: 0.3",
        "survival: 0.5",
        "shortcut: A",
        "norm: group",
        "activation: elu",
        "activation_order: post",
    ):
        with pytest.raises(StudyError, match="with a block of your own has block, k, pool"):
            load_study(write(study, f"grid: {{block: readers:block, k: 1, depth: 10, {axis}}}"))
    for family, depth in (("ResNet", 20), ("pre-ResNet", 20), ("ImageNet-ResNet", 18), ("ResNeXt", 29), ("NIN", 9)):
        with pytest.raises(StudyError, match="only WRN takes a block of your own"):
            load_study(write(study, f"grid: {{family: {family}, block: readers:block, depth: {depth}}}"))
    with pytest.raises(StudyError, match=r"budget.solve: WRN with a block of your own has no l"):
        load_study(write(study, "grid: {block: readers:block, k: 1, depth: 10}", budget="{parameters: 1M, solve: l}"))


@pytest.mark.usefixtures("forked")
def test_errors_while_training_name_the_line_too(study: Path) -> None:
    (study.parent / "readers.py").write_text(
        "import torch\nfrom torch import nn\n\n\nclass Late(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n        self.layer = nn.Linear(64, 10)\n\n"
        "    def forward(self, x):\n"
        "        if x.device.type != 'meta':\n            raise ValueError('boom\\nmore')\n"
        "        return self.layer(x.flatten(1))\n"
    )
    experiment = load_study(write(study, "net: {python: readers:Late}"), runs=study.parent / "runs")
    summary = experiment.run(RunOptions(slots=1, quiet=True))
    ((_, cause, _),) = summary.failed
    assert cause == f"readers:Late: {study.parent / 'readers.py'}:12: ValueError: boom more"


@pytest.mark.parametrize(
    ("forward", "said"),
    [("layer(x).detach()", "the loss has no gradient"), ("layer(x)", "the network has no parameter that is trained")],
)
def test_a_network_that_cannot_learn_fails_in_words(study: Path, forward: str, said: str) -> None:
    (study.parent / "readers.py").write_text(
        "from torch import nn\n\n\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.layer = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))\n"
        f"        self.layer.requires_grad_({'detach' in forward})\n\n"
        f"    def forward(self, x):\n        return self.{forward}\n"
    )
    experiment = load_study(write(study, "net: {python: readers:Net}"), runs=study.parent / "runs")
    summary = experiment.run(RunOptions(inline=True, quiet=True))
    ((_, cause, _),) = summary.failed
    assert said in cause


@pytest.mark.parametrize(
    "body, said",
    [
        ("    return nn.LazyLinear(10)\n", "readers:net has lazy parameters"),
        ("    raise SystemExit(3)\n", "readers.py:5: SystemExit: 3"),
        ("    raise BaseException('odd')\n", "readers.py:5: BaseException: odd"),
        ("    return nn.Sequential(nn.LazyBatchNorm2d(affine=False))\n", "readers:net has lazy parameters"),
        (
            "    return nn.Sequential(nn.Flatten(0), nn.Linear(128, 10))\n",
            "makes (10,) of (2, 1, 8, 8); allowed: (2, classes)",
        ),
        ("    return nn.Conv2d(1, 10, 8)\n", "makes (2, 10, 1, 1) of (2, 1, 8, 8); allowed: (2, classes)"),
    ],
)
def test_other_modules_that_cannot_be(study: Path, body: str, said: str) -> None:
    (study.parent / "readers.py").write_text(f"from torch import nn\n\n\ndef net():\n{body}")
    with pytest.raises(StudyError) as caught:
        load_study(write(study, "net: {python: readers:net}"))
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_an_installed_network_takes_part(study: Path) -> None:
    import torchvision.models.resnet

    build = torchvision.models.resnet.resnet18
    write(study, "net: {python: torchvision.models.resnet:resnet18, args: {num_classes: 10}}", data="cifar10")
    (variant,) = load_study(study).variants
    assert variant.counts.parameters == 11_689_512 - 990 * 513  # ten classes instead of a thousand
    assert torchvision.models.resnet.resnet18 is build
    assert len(variant.architecture.code) == 16


def test_what_a_reader_prints_is_not_data(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (study.parent / "readers.py").write_text("print('hello')\n" + MODULE)
    load_study(write(study, "net: {python: readers:small}"))
    captured = capsys.readouterr()
    assert captured.out == "" and "hello" in captured.err


def test_memory_counts_what_autograd_holds(study: Path) -> None:
    """conv input, ReLU output (= dropout's input, held by neither), dropout's mask, and what the linear layer reads."""
    write(study, "net: {python: readers:small, args: {width: 4}}")
    (variant,) = load_study(study).variants
    assert count(variant.blueprint).kept == variant.counts.kept
    image, features = 64, 4 * 64
    assert variant.counts.kept >= image + 2 * features + 4
