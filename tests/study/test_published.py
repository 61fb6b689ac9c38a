"""`published`: what is read of a table, and where its errors stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablate.errors import StudyError
from ablate.nets.architecture import Architecture
from ablate.nets.notation import parse_architecture
from ablate.study.plan import enumerate_variants
from ablate.study.recipe import Recipe
from ablate.study.spec import load_study
from ablate.study.study import Published, PublishedRow, Study

HEAD = """\
name: s
data: cifar10
recipe: wrn_cifar
seeds: 1
variants:
  - net: [WRN-28-2, WRN-16-2]
"""
FULL = """\
published:
  - source: Table 1
    note: Of the table
    protocol: {seeds: 5, recipe: {base: wrn_svhn, epochs: 7}, data: {preprocess: zca, augment: flip}}
    rows:
      - net: WRN-28-2
        label: Twenty-eight
        parameters: 1.5M
        cifar10: 5
        cifar100: 25.5
        svhn: 1.5
        imagenet: 30
        other: {"s an epoch": 67.5, GPU: Titan X, blocks: 4}
        not_run: too long
        note: Of the row
  - source: Table 2
    rows:
      - {label: DSN}
"""


def study(folder: Path, text: str) -> Study:
    path = folder / "s.yaml"
    path.write_text(text)
    return load_study(path)


def error(folder: Path, text: str) -> str:
    with pytest.raises(StudyError) as caught:
        enumerate_variants(study(folder, text))
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{folder / 's.yaml'}:")


def test_everything_stated_is_kept(tmp_path: Path) -> None:
    first, second = study(tmp_path, HEAD + FULL).published
    assert first == Published(
        source="Table 1",
        note="Of the table",
        rows=(
            PublishedRow(
                label="Twenty-eight",
                architecture=parse_architecture("WRN-28-2"),
                parameters="1.5M",
                errors={"cifar10": 5.0, "cifar100": 25.5, "svhn": 1.5, "imagenet": 30.0},
                other={"s an epoch": 67.5, "GPU": "Titan X", "blocks": 4},
                not_run="too long",
                note="Of the row",
            ),
        ),
        seeds=5,
        recipe=Recipe.named("wrn_svhn", epochs=7),
        data={"preprocess": "zca", "augment": "flip"},
    )
    assert second == Published("Table 2", "", (PublishedRow("DSN", None, "", {}, {}, "", ""),), None, None, {})


def test_a_study_need_not_state_any(tmp_path: Path) -> None:
    assert study(tmp_path, HEAD).published == ()


def read(folder: Path, head: str, table: str, row: str) -> Architecture | None:
    """The network of a table's only row."""
    rows = f"published:\n  - source: a\n{table}    rows: [{row}]\n"
    return study(folder, head + rows).published[0].rows[0].architecture


def test_a_net_is_read_by_the_tables_depth_rule_else_the_studys(tmp_path: Path) -> None:
    """WRN-40-2-B(3,1,3): N = 6 if depth is nominal, 4 if it counts the three convolutions of a block."""
    row = '{net: "WRN-40-2-B(3,1,3)"}'
    nominal = HEAD.replace("seeds: 1", "seeds: 1\ndepth_rule: nominal")
    found = [
        read(tmp_path, head, table, row)
        for head in (HEAD, nominal)
        for table in ("", "    depth_rule: nominal\n", "    depth_rule: convolutions\n")
    ]
    assert [architecture and architecture.N for architecture in found] == [4, 6, 4, 6, 6, 4]


def test_a_name_that_two_families_share_is_imagenets_beside_a_value_for_it(tmp_path: Path) -> None:
    """WRN-34-2: of CIFAR with 34 = 6 N + 4, or ResNet-34 twice as wide."""
    rows = ("{net: WRN-34-2, cifar10: 5}", "{net: WRN-34-2, imagenet: 5}")
    cifar, imagenet = (read(tmp_path, HEAD, "", row) for row in rows)
    assert cifar and imagenet and (cifar.family, cifar.N) == ("WRN", 5)
    assert (imagenet.family, imagenet.N, imagenet.k) == ("ImageNet-ResNet", (3, 4, 6, 3), 2)


def test_the_label_is_the_net_where_there_is_none(tmp_path: Path) -> None:
    (table,) = study(
        tmp_path, f"{HEAD}published: [{{source: a, rows: [{{net: WRN-28-2}}, {{label: b, net: WRN-28-2}}]}}]\n"
    ).published
    assert [row.label for row in table.rows] == ["WRN-28-2", "b"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("source: Table 1", "sauce: Table 1", "8:5: unknown key 'sauce'; did you mean 'source'?"),
        ("source: Table 1", "source: ''", "8:5: published.source: found ''"),
        ("    note: Of the table\n", "    note: 5\n", "9:5: published.note: found 5; allowed: string"),
        ("seeds: 5", "seeds: 0", "10:16: published.protocol.seeds: found 0; allowed: greater than or equal to 1"),
        ("seeds: 5", "seeds: five", "10:16: published.protocol.seeds: found 'five'"),
        ("seeds: 5", "seed: 5", "10:16: unknown key 'seed'; did you mean 'seeds'?"),
        ("base: wrn_svhn", "base: svhn", "10:35: published.protocol.recipe.base: found 'svhn'"),
        ("epochs: 7", "epochs: 0", "10:51: published.protocol.recipe.epochs: found 0"),
        ("{base: wrn_svhn, epochs: 7}", "7", "10:26: recipe: found 7; allowed: a name or a mapping"),
        ("preprocess: zca", "preprocess: zac", "10:70: published.protocol.data.preprocess: found 'zac'"),
        (
            "{preprocess: zca, augment: flip}",
            "cifar10",
            "10:63: published.protocol.data: found 'cifar10'; allowed: a mapping",
        ),
        ("net: WRN-28-2", "net: WRN-27-2", "12:9: net: depth 27 with B(3,3)"),
        ("net: WRN-28-2", "net: [WRN-28-2]", "12:9: published.rows.net: found a list; allowed: string"),
        ("parameters: 1.5M", "parameters: 1500000", "14:9: published.rows.parameters: found 1500000; allowed: string"),
        ("cifar10: 5\n", "cifar10: 100.5\n", "15:9: published.rows.cifar10: found 100.5"),
        ("cifar10: 5\n", "cifar10: -1\n", "15:9: published.rows.cifar10: found -1"),
        ("cifar10: 5\n", "cifar10: '5'\n", "15:9: published.rows.cifar10: found '5'"),
        ("cifar10: 5\n", "cifar10: true\n", "15:9: published.rows.cifar10: found true"),
        ("cifar10: 5\n", "cifar: 5\n", "15:9: unknown key 'cifar'; did you mean 'cifar10'?"),
        ("blocks: 4", "blocks: [4]", "19:9: published.rows.other: values must be numbers or texts"),
        ("blocks: 4", "blocks: true", "19:9: published.rows.other: values must be numbers or texts"),
        ("blocks: 4", "blocks: null", "19:51: published.0.rows.0.other.blocks has no value"),
        ("{label: DSN}", "{cifar10: 8}", "24:9: published.rows: a row needs 'net', 'label' or both"),
        ("      - {label: DSN}", "      []", "23:5: published.rows: found a list; allowed: at least 1"),
        ("      - {label: DSN}", "      - DSN", "24:9: published.rows: found 'DSN'; allowed: a mapping"),
    ],
)
def test_errors_stand_where_the_value_does(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert FULL.count(old) == 1
    assert error(tmp_path, HEAD + FULL.replace(old, new)).startswith(message)


STANDING = f"{HEAD}    stands_for: [Twenty-eight, DSN]\n{FULL}"


def test_each_network_of_an_entry_stands_for_a_row(tmp_path: Path) -> None:
    found = enumerate_variants(study(tmp_path, STANDING)).variants
    assert [(variant.net, variant.stands_for) for variant in found] == [("WRN-28-2", "Twenty-eight"), ("WRN-16-2", "DSN")]
    on_both = enumerate_variants(study(tmp_path, STANDING.replace("data: cifar10", "data: [cifar10, svhn]"))).variants
    assert [variant.stands_for for variant in on_both] == ["Twenty-eight", "Twenty-eight", "DSN", "DSN"]
    grid = STANDING.replace("net: [WRN-28-2, WRN-16-2]", "grid: {depth: [10, 16], k: [1]}")
    assert [v.stands_for for v in enumerate_variants(study(tmp_path, grid)).variants] == ["Twenty-eight", "DSN"]


def test_standing_for_a_row_does_not_change_a_trial(tmp_path: Path) -> None:
    ids = [
        [variant.trials((0,))[0].id for variant in enumerate_variants(study(tmp_path, text)).variants]
        for text in (HEAD, STANDING)
    ]
    assert ids[0] == ids[1]


@pytest.mark.parametrize(
    ("new", "message"),
    [
        ("[Twenty-eight]", "6:5: stands_for: found 1; allowed: 2, one per network"),
        ("[Twenty-eight, DSN, DSN]", "6:5: stands_for: found 3; allowed: 2, one per network"),
        ("[Twenty-eight, DNS]", "6:5: stands_for: found 'DNS'; did you mean 'DSN'? allowed: Twenty-eight, DSN"),
        ("[Twenty-eight, 2]", "7:32: variants.stands_for: found 2; allowed: string"),
        ("DSN", "7:5: variants.stands_for: found 'DSN'; allowed: a list"),
    ],
)
def test_standing_for_what_is_not_there(tmp_path: Path, new: str, message: str) -> None:
    assert error(tmp_path, STANDING.replace("[Twenty-eight, DSN]", new)).startswith(message)
