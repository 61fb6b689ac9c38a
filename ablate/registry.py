"""Registry: one visible table of a kind of thing. Its own entries stand in the table's file; packages add more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import entry_points
from typing import Any, Generic, Protocol, TypeVar

from ablate.errors import StudyError

Settings = Mapping[str, Any]  # the values of an entry's fields by name


def no_objection(settings: Settings) -> str:
    """What is wrong with settings of which any will do: nothing."""
    return ""


@dataclass(frozen=True, eq=False, kw_only=True)
class Kind:
    """One entry of a table.

    Args:
        name: in study files; of lower-case letters, digits and "_".
        words: in captions and tables.
        fields: the fields of a recipe (or step) that belong to this entry alone: name -> type, as pydantic reads it.
        defaults: values of fields that need not be written. Such a field is left out of a trial's id at its default.
        check: what is wrong with the settings as a whole; "" if nothing is.
    """

    name: str
    words: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    defaults: Settings = field(default_factory=dict)
    check: Callable[[Settings], str] = no_objection

    def settings(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values of this entry's fields; the default of one that has none.

        Raises:
            KeyError: a field has neither value nor default.
        """
        return {name: values[name] if name in values else self.defaults[name] for name in self.fields}

    def identity(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The settings that can change a result, those at their default left out."""
        return {
            name: value
            for name, value in self.settings(values).items()
            if name not in self.defaults or value != self.defaults[name]
        }


class Named(Protocol):
    """What a table can hold."""

    @property
    def name(self) -> str: ...


Entry = TypeVar("Entry", bound=Named)


class Registry(Mapping[str, Entry], Generic[Entry]):
    """The entries of a table by name, in order: the built-in ones, then those that installed packages add.

    A package adds one by an entry point in the table's group that names an object of the entry's class. Entry points are
    read when a name is asked for that is not built in, or when all names are.

    Args:
        group: of the entry points, such as "ablate.optimizers".
        kind: the class of an entry.
        built_in: the entries that come with ablate.

    Raises:
        StudyError: an installed package offers something else, or a name that is taken.
    """

    def __init__(self, group: str, kind: type[Entry], *built_in: Entry) -> None:
        self.group, self.kind = group, kind
        self.built_in = {entry.name: entry for entry in built_in}

    def __getitem__(self, name: str) -> Entry:
        return self.built_in[name] if name in self.built_in else self._all[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    @cached_property
    def _all(self) -> dict[str, Entry]:
        found = dict(self.built_in)
        for point in entry_points(group=self.group):
            place = f"entry point {self.group}: {point.name}"
            try:
                entry = point.load()
            except Exception as error:
                raise StudyError(f"{place}: {type(error).__name__}: {error}") from None
            if not isinstance(entry, self.kind):
                raise StudyError(f"{place} is no {self.kind.__module__}.{self.kind.__qualname__}")
            if entry.name in found:
                raise StudyError(f"{place}: the name {entry.name} is taken")
            found[entry.name] = entry
        return found

    def forget(self) -> None:
        """Reads the entry points of installed packages anew when they are next needed."""
        self.__dict__.pop("_all", None)
