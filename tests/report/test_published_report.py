"""Published values beside ours: whose they are, and in what the two ways to a value differ."""

from __future__ import annotations

from pathlib import Path

import pytest
from recorded import recorded, written

from ablate.report.analysis import StudyAnalysis
from ablate.report.published import Match, data_differences, recipe_differences
from ablate.study.data import Data
from ablate.study.recipe import Recipe

CIFAR = """\
name: s
data: cifar10
recipe: wrn_cifar
seeds: 2
variants:
  - net: [WRN-28-2, WRN-16-2]
published:
  - source: Table 1
    protocol: {seeds: 2, recipe: wrn_cifar, data: {preprocess: meanstd, augment: flip_crop}}
    rows:
      - {net: WRN-28-2, cifar10: 5.5, cifar100: 25.5}
      - {label: Sixteen, net: WRN-16-2, cifar10: 6.5}
"""
COPY = "{name: image_folder, title: A copy, copy_of: cifar10}"


def analysis(folder: Path, text: str) -> StudyAnalysis:
    """Of a study without records."""
    return written(folder, text).analysis()


def matches(folder: Path, text: str) -> list[Match | None]:
    """What is published for each variant, in order."""
    found = analysis(folder, text)
    return [found.match(summary) for summary in found.summaries]


def differences(folder: Path, text: str) -> tuple[str, ...]:
    """Of the first variant."""
    match = matches(folder, text)[0]
    assert match
    return match.differences


def test_a_row_is_a_variants_by_its_architecture(tmp_path: Path) -> None:
    first, second = matches(tmp_path, CIFAR)
    assert first and (first.row.label, first.value, first.published.source) == ("WRN-28-2", 5.5, "Table 1")
    assert second and (second.row.label, second.value) == ("Sixteen", 6.5)


def test_the_depth_rule_of_the_table_says_which_network_a_row_is(tmp_path: Path) -> None:
    """WRN-40-2-B(3,1,3) nominally has 6 blocks a group, as WRN-58-2-B(3,1,3) has by convolutions."""
    text = CIFAR.replace("[WRN-28-2, WRN-16-2]", "[WRN-58-2-B(3,1,3)]").replace(
        "net: WRN-28-2,", 'net: "WRN-40-2-B(3,1,3)",'
    )
    assert matches(tmp_path, text) == [None]
    (found,) = matches(tmp_path, text.replace("- source: Table 1", "- source: Table 1\n    depth_rule: nominal"))
    assert found and found.row.label == "WRN-40-2-B(3,1,3)" and found.differences == ()


def test_a_data_set_has_its_own_value(tmp_path: Path) -> None:
    found = matches(tmp_path, CIFAR.replace("data: cifar10\n", "data: [cifar100, cifar10]\n"))
    assert [match and match.value for match in found] == [25.5, 5.5, None, 6.5]


def test_a_data_set_without_a_value_has_none(tmp_path: Path) -> None:
    assert matches(tmp_path, CIFAR.replace("data: cifar10\n", "data: svhn\n")) == [None, None]
    folder = "{name: image_folder, title: Mine, classes: 10, image_size: 32}"
    assert matches(tmp_path, CIFAR.replace("data: cifar10\n", f"data: {folder}\n")) == [None, None]


def test_the_first_table_with_a_value_is_shown(tmp_path: Path) -> None:
    more = "  - source: Table 2\n    rows:\n      - {net: WRN-28-2, cifar10: 9, svhn: 2}\n"
    found = matches(tmp_path, CIFAR.replace("data: cifar10\n", "data: [cifar10, svhn]\n") + more)
    assert [match and (match.published.source, match.value) for match in found] == [
        ("Table 1", 5.5),
        ("Table 2", 2.0),
        ("Table 1", 6.5),
        None,
    ]


STANDING = CIFAR.replace("[WRN-28-2, WRN-16-2]", "[WRN-10-1, WRN-16-2]\n    stands_for: [Sixteen, WRN-28-2]")


def test_a_variant_has_the_row_that_it_stands_for_and_no_other(tmp_path: Path) -> None:
    first, second = matches(tmp_path, STANDING)
    assert first and (first.row.label, first.differences) == ("Sixteen", ("another network",))
    assert second and (second.row.label, second.differences) == ("WRN-28-2", ("another network",))


def test_the_same_way_differs_in_nothing(tmp_path: Path) -> None:
    assert differences(tmp_path, CIFAR) == ()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("recipe: wrn_cifar\nseeds", "recipe: {base: wrn_cifar, epochs: 30}\nseeds", ["30 epochs, not 200"]),
        ("recipe: wrn_cifar\nseeds", "recipe: {base: wrn_cifar, precision: bfloat16}\nseeds", ["bfloat16, not float32"]),
        ("recipe: wrn_cifar\nseeds", "recipe: {base: wrn_cifar, lr: 0.05}\nseeds", ["lr 0.05, not 0.1"]),
        ("recipe: wrn_cifar\nseeds", "recipe: {base: wrn_cifar, batch_size: 64}\nseeds", ["batch size 64, not 128"]),
        (
            "recipe: wrn_cifar\nseeds",
            "recipe: {base: wrn_cifar, batch_size: 64, lr_batch_size: 128}\nseeds",
            ["lr 0.05, not 0.1", "batch size 64, not 128"],
        ),
        ("recipe: wrn_cifar\nseeds", "recipe: {base: wrn_cifar, lr_batch_size: 128}\nseeds", []),
        ("recipe: wrn_cifar\nseeds", "recipe: {base: wrn_cifar, checkpoint_activations: blocks}\nseeds", []),
        (
            "recipe: wrn_cifar\nseeds",
            "recipe: {base: wrn_cifar, milestones: [0.5]}\nseeds",
            ["milestones 0.5, not 0.3 0.6 0.8"],
        ),
        ("recipe: wrn_cifar\nseeds", "recipe: {base: wrn_cifar, drop: 0.1}\nseeds", ["drop 0.1, not 0.2"]),
        ("data: cifar10\n", "data: {name: cifar10, preprocess: zca}\n", ["preprocess zca, not meanstd"]),
        ("data: cifar10\n", "data: {name: cifar10, augment: none}\n", ["augment none, not flip_crop"]),
        ("data: cifar10\n", "data: {name: cifar10, train_size: 5000}\n", ["5,000 training images, not 50,000"]),
        ("data: cifar10\n", "data: {name: cifar10, test_size: 100}\n", ["100 test images, not 10,000"]),
        ("data: cifar10\n", f"data: {COPY}\n", ["A copy, not CIFAR-10"]),
        (
            "data: cifar10\n",
            f"data: {COPY[:-1]}, image_size: 16}}\n",
            ["A copy, not CIFAR-10", "images of 16 pixels, not 32"],
        ),
        ("protocol: {seeds: 2, ", "protocol: {", []),  # taken as one run, which the sentence says
        ("protocol: {seeds: 2, ", "protocol: {seeds: 1, ", []),  # more seeds than published are no other protocol
        ("recipe: wrn_cifar, ", "", ["the published training is not stated"]),
        ("seeds: 2\n", "seeds: 2\nepoch_rule: best\n", ["the epoch with the lowest test error, not the last"]),
    ],
)
def test_each_difference_is_said_in_words(tmp_path: Path, old: str, new: str, expected: list[str]) -> None:
    assert old in CIFAR
    assert sorted(differences(tmp_path, CIFAR.replace(old, new, 1))) == sorted(expected)


def test_optimizers_are_told_apart_by_what_both_have() -> None:
    adam, sgd = Recipe.named("adam"), Recipe.named("wrn_cifar")
    found = recipe_differences(adam, sgd)
    assert {
        "adam, not sgd",
        "lr 0.001, not 0.1",
        "weight decay 0, not 0.0005",
        "momentum at drop keep, not discard",
    } <= set(found)
    assert recipe_differences(adam, adam) == []
    other_betas = adam.model_copy(update={"betas": (0.5, 0.999)})
    assert recipe_differences(other_betas, adam) == ["betas 0.5 0.999, not 0.9 0.999"]
    # What Adam does not use is no difference.
    assert recipe_differences(adam.model_copy(update={"momentum": 0.5}), adam) == []


def test_full_data_sets_in_another_words_are_no_difference() -> None:
    data = Data.named("cifar10", train_size=50_000)
    assert data_differences(data, "cifar10", {}) == []
    assert data_differences(data.model_copy(update={"train_size": 49_999}), "cifar10", {}) == [
        "49,999 training images, not 50,000"
    ]


def test_the_seeds_that_are_recorded_count(tmp_path: Path) -> None:
    found = recorded(tmp_path, CIFAR, {0: [5.0], 1: [5.0, None]}).analysis()
    one, both = map(found.match, found.summaries)
    assert one and both and both.differences == ()
    (said,) = one.differences
    assert said.startswith("1 seed") and said.endswith(", not 2")


def test_rows_without_a_variant_are_those_that_say_why_or_have_no_network(tmp_path: Path) -> None:
    rows = """\
      - {label: DSN, cifar10: 8}
      - {label: FitNet, cifar100: 35, not_run: not built}
      - {net: WRN-40-2, cifar10: 4, not_run: too long}
      - {label: On another task, other: {mAP: 35.2}}
"""
    found = analysis(tmp_path, CIFAR + rows)
    assert [row.label for _, row in found.rows_without_variant] == ["DSN", "WRN-40-2", "On another task"]
    found = analysis(tmp_path, (CIFAR + rows).replace("data: cifar10\n", "data: cifar100\n"))
    assert [row.label for _, row in found.rows_without_variant] == ["FitNet", "On another task"]


def test_of_a_published_value_come_by_alike_the_seeds_say_where_it_lies(tmp_path: Path) -> None:
    """The interval is that of Student for a median of two, which are one and another: as of one run."""
    found = recorded(tmp_path, CIFAR, {0: [5.0, 6.0], 1: [6.99, 7.0]}).analysis()
    predicted = "95% prediction interval, assuming normal errors"
    assert found.sentences == [
        f"WRN-28-2: the published 5.50% (a median of 2 runs) lies within the interval that our 2 seeds predict, "
        f"0.00 to 16.50% ({predicted}).",
        f"WRN-16-2: the published 6.50% (a median of 2 runs) lies below the interval that our 2 seeds predict, "
        f"6.88 to 7.11% ({predicted}).",
    ]
    above = recorded(tmp_path, CIFAR.replace("cifar10: 6.5}", "cifar10: 7.5}"), {}).analysis()
    assert "the published 7.50% (a median of 2 runs) lies above the interval that our 2 seeds predict" in above.sentences[1]
    unstated = recorded(tmp_path, CIFAR.replace("seeds: 2, ", ""), {}).analysis()
    assert "the published 5.50% (one run, as the number is not stated) lies within" in unstated.sentences[0]


def test_no_verdict_is_given_where_the_protocols_differ(tmp_path: Path) -> None:
    text = CIFAR.replace("recipe: wrn_cifar\nseeds", "recipe: {base: wrn_cifar, epochs: 2}\nseeds")
    found = recorded(tmp_path, text, {0: [5.0, 6.0], 1: [6.6, 7.0]}).analysis()
    assert found.sentences == []


def test_a_recipe_differs_in_what_both_optimizers_use() -> None:
    adam, sgd = Recipe.named("adam"), Recipe.named("wrn_cifar")
    expected = ["adam, not sgd", "lr 0.001, not 0.1", "weight decay 0, not 0.0005", "momentum at drop keep, not discard"]
    expected.append("batch norm weights of one, not uniform batch norm weights")
    assert recipe_differences(adam, sgd) == expected


def test_a_scaled_rate_of_the_same_value_is_the_same() -> None:
    """0.1 * 384 / 128 is 0.30000000000000004."""
    sgd = Recipe.named("wrn_cifar")
    scaled = sgd.model_copy(update={"batch_size": 384, "lr_batch_size": 128})
    assert recipe_differences(scaled, sgd.model_copy(update={"batch_size": 384, "lr": 0.3})) == []


def test_the_published_sizes_count(tmp_path: Path) -> None:
    text = CIFAR.replace("augment: flip_crop}", "augment: flip_crop, train_size: 45000}")
    assert differences(tmp_path, text) == ("50,000 training images, not 45,000",)
    assert differences(tmp_path, text.replace("data: cifar10\n", "data: {name: cifar10, train_size: 45000}\n")) == ()


def test_unstated_preprocessing_is_a_difference(tmp_path: Path) -> None:
    assert differences(tmp_path, CIFAR.replace(", data: {preprocess: meanstd, augment: flip_crop}", "")) == (
        "the published preprocessing and augmentation is not stated",
    )


def test_of_one_run_there_is_no_range(tmp_path: Path) -> None:
    text = CIFAR.replace("seeds: 2", "seeds: 1")
    found = recorded(tmp_path, text, {0: [5.0], 1: [None]}).analysis()
    assert found.sentences == [
        "WRN-28-2: the published 5.50% is one run, ours 5.00% another.",
        "WRN-16-2: the published 6.50% is one run, ours diverged.",
    ]


def test_fewer_seeds_than_published_are_another_protocol(tmp_path: Path) -> None:
    text = CIFAR.replace("protocol: {seeds: 2, ", "protocol: {seeds: 5, ")
    found = recorded(tmp_path, text, {0: [5.0, 6.0]}).analysis()
    match = found.match(found.summaries[0])
    assert match and match.differences == ("2 seeds, not 5",)


def test_a_seed_that_diverged_leaves_no_prediction(tmp_path: Path) -> None:
    found = recorded(tmp_path, CIFAR, {0: [5.0, None]}).analysis()
    assert found.sentences == [
        "WRN-28-2: the published 5.50% is a median of 2 runs; as 1 of our 2 seeds diverged, nothing can be predicted."
    ]
