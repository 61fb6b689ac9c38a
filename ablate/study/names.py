"""The names of a study's variants: in the author's words, short, and each another one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from ablate.errors import StudyError
from ablate.study.axes import BESIDE
from ablate.study.axis_text import in_words, named_value
from ablate.study.labels import beside_texts, label, values_as_text
from ablate.study.short_names import short_names
from ablate.study.study import Study, Variant


def in_own_words(variants: list[Variant], study: Study) -> list[Variant]:
    """The variants with the author's words for their values, and the groups of the main table.

    A network is called by the words for its axes, if these tell it from the others, else with the axes that entries vary,
    else with its own name before them.

    Args:
        variants: Of the study, in order.
        study: Their study.

    Raises:
        StudyError: Words are given for a value that no variant has.
    """
    if not study.labels.texts and study.labels.group_by is None:
        return variants
    values = values_as_text(variants)
    study.labels.check(values)
    texts = [study.labels.of(each) for each in values]
    group_by = study.labels.group_by and study.labels.group_by[0]
    groups = [
        of.get(group_by) or named_value(group_by, v.get(group_by, "–")) if group_by else "" for v, of in zip(values, texts)
    ]
    variants = [replace(one, labels=of, group=group) for one, of, group in zip(variants, texts, groups)]
    given = dict.fromkeys(axis for one in variants for axis in one.axes if not axis.startswith(BESIDE))
    varied = [axis for axis in given if axis != "net" and len({each.get(axis) for each in values}) > 1]
    ways: list[list[Variant]] = [[], [], []]
    for one, of, each in zip(variants, texts, values):
        words = {axis: text for axis, text in of.items() if not axis.startswith(BESIDE)}
        names = [""] * 3
        if words and not one.title:
            first = words.get("net") or ", ".join(words.values())
            rest = [named_value(axis, each[axis]) for axis in varied if axis in each and axis not in words]
            names = [first, ", ".join([first, *rest]), f"{one.net} ({first})"]
        for way, name in zip(ways, names):
            way.append(replace(one, title=in_words(one.title, each, of), words=name))
    times = [Counter(map(label, way)) for way in ways]
    return [next((one for one, n in zip(same, times) if n[label(one)] == 1), same[-1]) for same in zip(*ways)]


def told_apart(variants: Iterable[Variant], study: Study, names: dict[str, list[Variant]]) -> list[Variant]:
    """The variants, each under a short name that no other has.

    Args:
        variants: As returned by in_own_words().
        study: Their study.
        names: The variants of each name, to which short names are added.

    Raises:
        StudyError: Two have one name, such as with numbers that differ in the seventh digit.
    """
    found, again = _tell_apart(_shortly_named(_with_own_titles(variants), study, names))
    if again:
        raise StudyError(f"{study.places['variants']}: '{again}' names two variants; give each a label of its own")
    return found


def _with_own_titles(variants: Iterable[Variant]) -> list[Variant]:
    """The variants, without the titles that two of them have beside one data set and recipe, as of two designs."""
    kept = list(variants)
    times = Counter(label(variant) for variant in kept if variant.title)
    return [replace(one, title="") if one.title and times[label(one)] > 1 else one for one in kept]


def _shortly_named(variants: list[Variant], study: Study, names: dict[str, list[Variant]]) -> list[Variant]:
    """The variants with the short names of user-defined networks, which are added to `names` beside the whole names."""
    if not any(one.architecture.code for one in variants):
        return variants
    solved = study.budget.solve if study.budget else ()
    short = short_names(variants, solved, [", ".join(beside_texts(variant)) for variant in variants])
    for name, variant in zip(short, variants):
        if name != variant.net:
            names.setdefault(name, []).append(variant)
    return [replace(one, net=name, whole_name=one.net) if name != one.net else one for name, one in zip(short, variants)]


def _tell_apart(variants: list[Variant]) -> tuple[list[Variant], str]:
    """The variants, with N added to the names of those with equal labels (one depth under both conventions).

    With them a label that two have nevertheless, "" for none.
    """
    labels = [label(variant) for variant in variants]
    times = Counter(labels)
    found = [
        variant
        if times[text] == 1 or variant.title
        else replace(variant, net=f"{variant.net} (N = {variant.architecture.N})")
        for variant, text in zip(variants, labels)
    ]
    again = Counter(label(variant) for variant, text in zip(found, labels) if times[text] > 1)
    return found, next((text for text, n in again.items() if n > 1), "")
