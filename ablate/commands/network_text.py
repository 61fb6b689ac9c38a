"""The text output of the commands on a network, from the same plain values that --json prints."""

from __future__ import annotations

from typing import Any

from ablate.report.numbers import blocks_text, quantity
from ablate.report.table import Column, make_table
from ablate.report.writers.plain import table_text
from ablate.study.axis_text import shown_value


def network_text(network: dict[str, Any]) -> str:
    """A network by section, with its totals, its depths and the memory of its training.

    Args:
        network: In the plain values that `ablate show --json` prints.
    """
    header = ["Section", "Output", "Layers", "Parameters", "Mult-adds", "Activations"]
    rows = [
        [section["name"], "x".join(map(str, section["output"])), section["layers"], *_counts(section)]
        for section in network["sections"]
    ]
    rows.append(["total", "", f"{network['weight_layers']} convolutions and linear layers", *_counts(network)])
    about = f"{network['net']}: family {network['family']} ({network['source']})"
    if network["depth"]:
        about += f", depth {network['depth']}"
        if network["nominal_depth"] != network["depth"]:
            about += f" by convolutions, {network['nominal_depth']} nominal"
    about += f"; {network['classes']} classes, input {'x'.join(map(str, network['input_shape']))}"
    also = f"The name could also mean {' or '.join(network['also'])}." if network["also"] else ""
    axes = ", ".join(f"{axis} {shown_value(value)}" for axis, value in network["axes"].items())
    blocks = f"N {blocks_text(network['blocks_per_group'])}, " if network["depth"] else ""
    lines = [about, *filter(None, [also, network["remark"]]), blocks + axes, ""]
    columns = [Column(title, title in header[3:]) for title in header]
    lines += [table_text(make_table(columns, rows))]
    lines += ["Mult-adds and activations: one image, forward, convolutions and linear layers.", ""]
    counts = ("weights", "gradients", "momentum", "activations", "total")
    memory = [
        [choice["precision"], choice["checkpoint_activations"], *(f"{quantity(choice[count])}B" for count in counts)]
        for choice in network["training_memory"]
    ]
    columns = [Column("Precision", False), Column("checkpoint_activations", False)]
    columns += [Column(count.capitalize()) for count in counts]
    lines.append(table_text(make_table(columns, memory)))
    lines.append(f"Training memory at batch {network['batch_size']}, estimated; the library's workspaces come on top.")
    return "\n".join(lines)


def families_text(described: dict[str, Any]) -> str:
    """The families of networks, the forms of their names, and the options of a name.

    Args:
        described: As returned by describe_families().
    """
    families = [
        [family["form"], ", ".join(family["examples"]), family["source"], family["family"]]
        for family in described["families"]
    ]
    options = [[option["option"], option["meaning"], option["axis"]] for option in described["options"]]
    tables = ((("Name", "Such as", "Source", "Family"), families), (("Option of a name", "Meaning", "Axis"), options))
    return "\n".join(
        table_text(make_table([Column(title, numeric=False) for title in titles], rows)) for titles, rows in tables
    )


def _counts(counts: dict[str, Any]) -> list[str]:
    return [f"{counts['parameters']:,}", quantity(counts["multiply_adds"]), quantity(counts["activations"])]


def weights_text(fitting: dict[str, Any]) -> str:
    """The line about a file of weights that `ablate show --weights` prints.

    Args:
        fitting: As returned by check_weights().
    """
    counts = f"{fitting['tensors']} tensors, {fitting['parameters']:,} parameters"
    return f"Weights: {fitting['file']} fits, by {fitting['names']}'s names: {counts}."


def evaluation_text(scores: dict[str, Any]) -> str:
    """The errors of a network with weights from a file, as text.

    Args:
        scores: As returned by ablate.train.evaluate.evaluate().
    """
    stated = {"top1_error": "top-1", "top5_error": "top-5"}
    published = [f"{stated[key]} error {value:.2f}%" for key, value in scores["published"].items()]
    return (
        f"{scores['net']}: {scores['parameters']:,} parameters from {scores['weights']} ({scores['names']}'s names)\n"
        f"{scores['data']}: {scores['images']:,} images, top-1 error {scores['top1_error']:.2f}%, "
        f"top-5 error {scores['top5_error']:.2f}%" + (f"\npublished: {', '.join(published)}" if published else "")
    )
