"""Drawings: what is on a diagram, held against the papers; and that every diagram can be drawn, the same each time."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from typer.testing import CliRunner

from ablate.commands.cli import app
from ablate.errors import RunError
from ablate.nets.architecture import Architecture
from ablate.nets.families import blueprint, task_of
from ablate.nets.notation import parse_architecture
from ablate.report.figures.diagram import BlockDiagram, Diagram
from ablate.report.figures.network import draw_diagram, write_drawing
from ablate.report.network_diagram import figure_1_diagram, network_diagram


def diagram_of(name: str) -> Diagram:
    architecture = parse_architecture(name)
    return network_diagram(name, blueprint(architecture, *task_of(architecture)))


def branch(block: BlockDiagram) -> list[str]:
    return [box.text for run in block.branch for box in run.boxes]


def kind(diagram: Diagram, title: str) -> BlockDiagram:
    (found,) = [block for block in diagram.blocks if block.title == title]
    return found


def test_skeleton_is_table_1() -> None:
    """WRN, Table 1 with N = 4 and k = 10."""
    diagram = diagram_of("WRN-28-10")
    shapes = {stage.name: stage.output for stage in diagram.stages}
    assert shapes == {
        "conv1": "16 × 32 × 32",
        "conv2": "160 × 32 × 32",
        "conv3": "320 × 16 × 16",
        "conv4": "640 × 8 × 8",
        "head": "10",
    }
    assert diagram.image == "image, 3 × 32 × 32"
    assert [box.text for box in diagram.stages[0].boxes] == ["conv3×3, 16"]
    for stage, width in zip(diagram.stages[1:4], (160, 320, 640)):
        first, rest = stage.boxes
        assert first.text == rest.text == f"3×3, {width} · 3×3, {width}"
        assert (first.times, rest.times) == (1, 3)
        assert [first.letter, rest.letter] == [kind(diagram, f"{verb} the shape").letter for verb in ("changes", "keeps")]
    assert [box.text for box in diagram.stages[4].boxes] == ["BN", "ReLU", "global average pool", "linear, 10"]
    assert diagram.caption.startswith("36.5 M parameters")  # WRN, Table 4


def test_blocks_that_differ_in_width_are_one_kind() -> None:
    changes, keeps = diagram_of("WRN-28-10").blocks
    conv = "conv3×3, 160 / 320 / 640"
    assert keeps.residual and not keeps.shared and not keeps.shortcut and not keeps.after
    assert branch(keeps) == ["BN", "ReLU", conv, "BN", "ReLU", conv]
    assert keeps.remarks == ("9 blocks in conv2, conv3, conv4",)
    assert [box.text for box in changes.shared] == ["BN", "ReLU"]
    assert branch(changes) == [conv, "BN", "ReLU", conv]
    assert [(box.text, box.note) for box in changes.shortcut] == [("conv1×1, 160 / 320 / 640", "stride 1 / 2 / 2")]


@pytest.mark.parametrize(
    ("order", "inside", "after"),
    [
        ("post", "C N A C N", "A"),
        ("bn_after_addition", "C N A C", "N A"),
        ("relu_before_addition", "C N A C N A", ""),
        ("relu_only_pre", "A C N A C N", ""),
        ("pre", "N A C N A C", ""),
    ],
)
def test_order_of_the_parts_is_seen(order: str, inside: str, after: str) -> None:
    """He et al. 2016, figure 4."""
    block = kind(diagram_of("WRN-16-2" + ("" if order == "pre" else f"-{order}")), "keeps the shape")
    letters = {"conv": "C", "norm": "N", "activation": "A"}
    assert [letters[box.kind] for run in block.branch for box in run.boxes] == inside.split()
    assert [letters[box.kind] for box in block.after] == after.split()


def test_shortcut_without_parameters_and_survival() -> None:
    diagram = diagram_of("ResNet-110-survival0.5")
    assert [(box.times, box.letter) for box in diagram.stages[1].boxes] == [(18, "a")]
    keeps, changes = diagram.blocks
    assert keeps.remarks[0] == "52 blocks in conv2, conv3, conv4" and changes.remarks[0] == "2 blocks in conv3, conv4"
    # p_l = 1 - l / 54 / 2: the first block and the last; the 19th and the 37th.
    assert [block.remarks[1].split("p = ")[1] for block in diagram.blocks] == ["0.99 to 0.50", "0.82 to 0.66"]
    assert [(box.text, box.note) for box in changes.shortcut] == [("subsample", "stride 2, zero channels")]


def test_dropout_groups_and_first_blocks() -> None:
    assert "dropout 0.3" in branch(diagram_of("WRN-16-4-dropout0.3").blocks[0])
    notes = [box.note for run in diagram_of("ResNeXt-29-8x64d").blocks[0].branch for box in run.boxes if box.note]
    assert notes == ["8 groups, stride 1 / 2 / 2"]
    # The first block after a pooled stem begins with its convolution: a kind of its own.
    assert [block.remarks[0] for block in diagram_of("pre-ResNet-200").blocks] == [
        "1 block in conv2",
        "62 blocks in conv2, conv3, conv4, conv5",
        "3 blocks in conv3, conv4, conv5",
    ]


def test_stages_of_plain_networks_are_folded() -> None:
    first, second, third = diagram_of("VGG").blocks
    assert [block.title for block in (first, second, third)] == ["conv1, conv2", "conv3, conv4", "conv5"]
    assert not first.residual
    assert [([box.text for box in run.boxes], run.times) for run in second.branch] == [
        (["conv3×3, 256 / 512", "BN", "ReLU"], 4),
        (["max pool 2×2"], 1),
    ]
    assert [run.times for run in third.branch] == [4]
    assert [[run.times for run in block.branch] for block in diagram_of("NIN").blocks] == [[1, 1, 1, 1], [1, 2, 1], [1, 2]]


def test_own_block_and_own_network_are_boxes_with_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "drawn.py").write_text(
        "from torch import nn\n"
        "def block(in_channels, out_channels, stride):\n"
        "    return nn.Conv2d(in_channels, out_channels, 3, stride, 1)\n"
        "def net(classes):\n"
        "    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, classes))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    whole = network_diagram("mine", blueprint(Architecture(1, family="python", python="drawn:net")))
    assert [[box.text for box in stage.boxes] for stage in whole.stages] == [["drawn:net"]]
    blocks = network_diagram("ours", blueprint(Architecture(3, k=2.0, block="drawn:block")))
    assert [(box.text, box.note, box.times) for box in blocks.stages[2].boxes] == [
        ("drawn:block", "64 channels, stride 2", 1),
        ("drawn:block", "64 channels", 2),
    ]
    for diagram in (whole, blocks):
        assert not diagram.blocks
        draw_diagram(diagram)


def test_figure_1() -> None:
    """WRN, figure 1."""
    diagram = figure_1_diagram()
    assert {block.title: branch(block) for block in diagram.blocks} == {
        "basic": ["conv3×3", "conv3×3"],
        "bottleneck": ["conv1×1", "conv3×3", "conv1×1"],
        "basic-wide": ["conv3×3", "conv3×3"],
        "wide-dropout": ["conv3×3", "dropout", "conv3×3"],
    }
    assert [block.letter for block in diagram.blocks] == ["a", "b", "c", "d"]
    assert all(block.residual and not block.shortcut for block in diagram.blocks)
    basic, _, wide, dropout = (block.channels for block in diagram.blocks)
    assert basic < wide == dropout


@pytest.mark.parametrize("name", ["WRN-28-10", "ResNet-50", "VGG", "figure 1"])
def test_text_stays_in_its_box_and_on_the_drawing(name: str) -> None:
    figure = draw_diagram(figure_1_diagram() if name == "figure 1" else diagram_of(name))
    (axis,) = figure.axes
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [patch.get_window_extent(renderer) for patch in axis.patches if patch.get_zorder() == 3]
    frame = figure.bbox
    assert len(axis.texts) > 10 and boxes
    for text in axis.texts:
        place = text.get_window_extent(renderer)
        assert frame.x0 < place.x0 and place.x1 < frame.x1 and frame.y0 < place.y0 and place.y1 < frame.y1
        middle = ((place.x0 + place.x1) / 2, (place.y0 + place.y1) / 2)
        for box in boxes:
            if box.contains(*middle):
                assert box.x0 < place.x0 and place.x1 < box.x1, text.get_text()
            else:
                assert not box.overlaps(place), text.get_text()


def test_formulas_are_mathematics_and_names_are_not() -> None:
    name = r"costs $5 and $\\x_{"  # no formula: parsing it would fail
    diagram = diagram_of("WRN-10-1")._replace(title=name)
    figure = draw_diagram(diagram)
    (axis,) = figure.axes
    formulas = [text for text in axis.texts if text.get_parse_math()]
    assert [text.get_text() for text in formulas] == ["$x_l$", "$x_{l{+}1}$"] * 2
    renderer = FigureCanvasAgg(figure).get_renderer()
    for text in formulas:  # narrower than its source, as an x with an index is
        width = text.get_window_extent(renderer).width
        text.set_parse_math(False)
        assert width < 0.6 * text.get_window_extent(renderer).width
    assert name in [text.get_text() for text in axis.texts]


@pytest.mark.parametrize("suffix", [".svg", ".png", ".pdf"])
def test_a_file_is_the_same_each_time(tmp_path: Path, suffix: str) -> None:
    diagram = diagram_of("WRN-16-4-dropout0.3")
    paths = [tmp_path / f"{i}{suffix}" for i in range(2)]
    for path in paths:
        write_drawing(diagram, path)
    first, second = (path.read_bytes() for path in paths)
    assert first == second and len(first) > 1000
    if suffix == ".svg":
        assert ElementTree.fromstring(first).tag.endswith("svg") and b"<image" not in first and b"<dc:date" not in first


def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for words, made in (
        (["WRN-16-1"], "WRN-16-1.svg"),
        (["WRN-10-1", "--image-size", "16", "--classes", "7", "-o", "small.png"], "small.png"),
        (["--figure-1", "-o", "figure_1.pdf"], "figure_1.pdf"),
    ):
        result = CliRunner().invoke(app, ["draw", *words])
        assert result.exit_code == 0, result.output
        assert Path(made).stat().st_size > 1000
    for words in (["WRN-16-1", "-o", "net.gif"], ["WRN-16-1", "-o", "nowhere/net.svg"], [], ["WRN-16-1", "--figure-1"]):
        failed = CliRunner().invoke(app, ["draw", *words])
        assert isinstance(failed.exception, RunError)
        assert re.search("allowed|give|ends in|not a directory", str(failed.exception)) and "\n" not in str(
            failed.exception
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["WRN-16-1.svg", "figure_1.pdf", "small.png"]
