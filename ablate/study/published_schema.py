"""The key `published` of a study file, as pydantic models."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from ablate.study.frozen import Frozen
from ablate.study.written_forms import DepthRuleField, Title, at_place


class Protocol(Frozen):
    """How published values were obtained. recipe and data are written as in a study, as far as they are known.

    Args:
        recipe: As in a study.
        data: As in a study; `name` may be left out.
    """

    seeds: Annotated[int | None, Field(ge=1, description="how many trainings each value is the median of")] = None
    recipe: Annotated[Any, at_place("properties/recipe")] = None
    data: Annotated[Any, at_place("$defs/ProtocolData")] = None


class RowFile(Frozen):
    """A row of a published table. It also has a test error in percent under the name of each data set.

    Args:
        net: The network, by its name.
        note: A remark on the row.
    """

    model_config = ConfigDict(extra="allow")

    label: Annotated[str, Field(max_length=200, description="the name as printed; by default that under net")] = ""
    net: str | None = None
    parameters: Annotated[str, Field(max_length=200, description="the count as printed, such as 1.4M")] = ""
    other: Annotated[
        dict[Title, Any], Field(default_factory=dict, max_length=100, description="other printed values, by title and unit")
    ]
    values: Annotated[
        dict[str, dict[str, float]],
        Field(default_factory=dict, description="by data set and measure, such as {cifar10: {error: 4.8, nll: 0.2}}"),
    ]
    not_run: Annotated[str, Field(max_length=1000, description="why the network is not trained here")] = ""
    note: Annotated[str, Field(max_length=1000)] = ""


class PublishedFile(Frozen):
    """A table of published test errors, shown beside ours.

    Args:
        source: The paper and its table.
        note: A remark on the table.
        protocol: How the values were obtained; differences from ours are named in the report.
        depth_rule: How names in this table count depth; by default as in the study.
        rows: The rows, in order.
    """

    source: Annotated[str, Field(min_length=1, max_length=200, examples=["WRN, Table 2"])]
    note: Annotated[str, Field(max_length=1000)] = ""
    protocol: Protocol = Protocol()
    depth_rule: DepthRuleField | None = None
    rows: Annotated[list[RowFile], Field(min_length=1, max_length=1000)]
