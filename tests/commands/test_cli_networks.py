"""What the command says of networks: show, draw, plans of every family."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from console import Command

from ablate.nets.families import FAMILIES
from ablate.nets.notation import parse_architecture


def show(ablate: Command, *words: object) -> dict[str, object]:
    found: dict[str, object] = json.loads(ablate("show", *words, "--json").stdout)
    return found


def test_show_says_which_of_two_networks_it_took(ablate: Command, tmp_path: Path) -> None:
    small, large = show(ablate, "WRN-34-2"), show(ablate, "WRN-34-2", "--imagenet")
    assert (small["net"], small["family"], small["also"]) == ("WRN-34-2", "WRN", ["ResNet-34-w2"])
    assert (large["net"], large["family"], large["also"]) == ("ResNet-34-w2", "ImageNet-ResNet", ["CIFAR-WRN-34-2"])
    assert (large["classes"], large["input_shape"], large["parameters"]) == (1000, [3, 224, 224], 86_036_008)
    chosen = show(ablate, "ResNet-50", "--family", "ResNet")
    assert (chosen["net"], chosen["blocks_per_group"]) == ("CIFAR-ResNet-50", 8)
    text = ablate("show", "ResNet-50").stdout
    assert "family ImageNet-ResNet" in text and "The name could also mean CIFAR-ResNet-50." in text


def test_show_of_nothing_lists_every_family(ablate: Command, tmp_path: Path) -> None:
    listed = json.loads(ablate("show", "--json").stdout)["families"]
    assert {family["family"] for family in listed} == {key for key, family in FAMILIES.items() if family.heads}
    for family in listed:
        for name in family["examples"]:
            assert parse_architecture(name).family == family["family"]
    assert "WRN-<depth>-<k>" in ablate("show").stdout


def test_show_of_the_count_that_a_paper_misprints(ablate: Command, tmp_path: Path) -> None:
    for name in ("ResNet-1202", "ResNet-1202-survival0.5"):
        shown = show(ablate, name)
        assert shown["parameters"] == 19_421_274 and "10.2M" in str(shown["remark"])
    assert show(ablate, "ResNet-110")["remark"] == show(ablate, "ResNet-1202-shortcutB")["remark"] == ""


def test_memory_halves_and_batches_count(ablate: Command, tmp_path: Path) -> None:
    def totals(*words: object) -> list[int]:
        rows = show(ablate, "WRN-40-10", *words)["training_memory"]
        assert isinstance(rows, list)
        for row in rows:
            assert row["total"] == row["weights"] + row["gradients"] + row["momentum"] + row["activations"]
            assert row["weights"] == row["gradients"] == row["momentum"] == 4 * 55_841_754
        return [row["activations"] for row in rows]

    one, two = totals("--batch-size", 64), totals("--batch-size", 128)
    assert two[0] == 2 * one[0] and two[1] == 2 * one[1]
    assert two[1] < two[0] and two[2] - 2 * 55_841_754 == two[0] // 2
    assert sum((3.4 * 10**9, 3 * 4 * 55_841_754)) < two[0] + 3 * 4 * 55_841_754 < 4 * 2**30  # "under 4 GB"


@pytest.mark.parametrize(
    "words, said",
    [
        (("show", "VGG", "--image-size", "4"), None),
        (("show", "ResNet-50-w2"), "read 'ResNet-50', stopped at '-w2'"),
        (("show", "WRN-28-2", "--family", "WNR"), "family 'WNR'; did you mean 'WRN'?"),
        (("show", "DenseNet-40"), "network 'DenseNet-40'"),
    ],
)
def test_one_line_for_what_cannot_be(ablate: Command, tmp_path: Path, words: tuple[str, ...], said: str | None) -> None:
    found = ablate(*words)
    if said is None:
        assert found.returncode == 0
    else:
        assert found.returncode == 2 and said in found.stderr and found.stderr.count("\n") == 1


def test_every_family_in_one_study(ablate: Command, tmp_path: Path) -> None:
    study = tmp_path / "s.yaml"
    study.write_text(
        "name: s\ndata: cifar10\nrecipe: wrn_cifar\nseeds: 1\nvariants:\n"
        "  - net: [WRN-16-2, ResNet-20, pre-ResNet-164, ResNeXt-29-8x64d, NIN, VGG, WRN-10-8]\n"
        "  - one_at_a_time:\n"
        "      base: ResNet-20\n"
        "      activation_order: [pre, relu_only_pre]\n"
        "      shortcut: [B, C]\n"
        "      norm: [group, none]\n"
        "      activation: [elu, silu]\n"
        "      pool: [max]\n"
        "      survival: [0.5]\n"
        "      k: [2]\n"
        "      block: [bottleneck]\n"
    )
    plan = json.loads(ablate("plan", study, "--json").stdout)
    nets = [variant["net"] for variant in plan["variants"]]
    assert nets[:7] == ["WRN-16-2", "ResNet-20", "pre-ResNet-164", "ResNeXt-29-8x64d", "NIN", "VGG", "WRN-10-8"]
    assert nets[7:] == [
        "ResNet-20-pre",
        "ResNet-20-relu_only_pre",
        "ResNet-20-shortcutB",
        "ResNet-20-shortcutC",
        "ResNet-20-groupnorm",
        "ResNet-20-nonorm",
        "ResNet-20-elu",
        "ResNet-20-silu",
        "ResNet-20-maxpool",
        "ResNet-20-survival0.5",
        "ResNet-20-w2",
        "ResNet-20-bottleneck",
    ]
    text = ablate("plan", study).stdout
    assert "| NIN " in text and "  – |" in text and "19 variants, 19 trials: 19 missing" in text


def test_images_of_imagenet_that_are_not_there(ablate: Command, tmp_path: Path) -> None:
    study = tmp_path / "s.yaml"
    study.write_text("name: s\ndata: imagenet\nrecipe: wrn_cifar\nseeds: 1\nvariants: [{net: [WRN-34-2, ResNet-18]}]\n")
    plan = json.loads(ablate("plan", study, "--json").stdout)
    assert [variant["net"] for variant in plan["variants"]] == ["ResNet-34-w2", "ResNet-18"]
    run = ablate("run", study)
    assert run.returncode == 2 and "imagenet: train/<class>/* not found in" in run.stderr
