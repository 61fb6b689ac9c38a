"""Registry: the table of one kind of thing, such as optimizers.

The built-in entries are in the file that defines the table. Installed packages can add more by entry points.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, Generic, Protocol, TypeVar

from ablate.errors import StudyError

Settings = Mapping[str, Any]  # the values of an entry's fields by name


@dataclass(frozen=True, eq=False, kw_only=True)
class Kind:
    """One entry of a table.

    Args:
        name: The name in study files, of lower-case letters, digits and "_".
        words: The name in captions and tables.
        fields: The fields of a recipe (or step) that only this entry has: name -> type, as pydantic reads it.
        defaults: Values of fields that may be left out. A field at its default is not part of a trial's id.
        check: Settings -> the error in the settings as a whole, or "".
        explained: A description for the documentation, where `words` are not enough.
    """

    name: str
    words: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    defaults: Settings = field(default_factory=dict)
    check: Callable[[Settings], str] = lambda settings: ""
    explained: str = ""

    def settings(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values of this entry's fields by name. A field without a value has its default.

        Args:
            values: Values of fields by name; other fields are ignored.

        Raises:
            KeyError: A field has neither value nor default.
        """
        return {name: values[name] if name in values else self.defaults[name] for name in self.fields}

    def identity(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The settings that can change a result. Settings at their default are left out.

        Args:
            values: Values of fields by name, as for settings().

        Raises:
            KeyError: A field has neither value nor default.
        """
        return {
            name: value
            for name, value in self.settings(values).items()
            if name not in self.defaults or value != self.defaults[name]
        }


class Named(Protocol):
    """The type of an entry: any object with a name."""

    @property
    def name(self) -> str:
        """The name in study files."""
        ...


Entry = TypeVar("Entry", bound=Named)


@cache
def _entry_points() -> Any:
    """The entry points of all installed packages, read once for all tables: they take 10 ms and more."""
    from importlib.metadata import entry_points

    return entry_points()


class Registry(Mapping[str, Entry], Generic[Entry]):
    """The entries of a table by name: first the built-in entries, in order, then those of installed packages.

    A package adds an entry by an entry point in the table's group that names an object of the entry's class. Entry
    points are read when a name that is not built in is looked up, or when all names are listed.

    Args:
        group: The group of the entry points, such as "ablate.optimizers".
        kind: The class of an entry.
        built_in: The entries that are part of ablate.

    Raises:
        StudyError: On a lookup, if an installed package offers an object of another class, or a name that is taken.
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
        """All entries, including those of installed packages."""
        found = dict(self.built_in)
        for point in _entry_points().select(group=self.group):
            place = f"entry point {self.group}: {point.name}"
            try:
                entry = point.load()
            except Exception as error:
                raise StudyError(f"{place}: {type(error).__name__}: {error}") from None
            if not isinstance(entry, self.kind):
                wanted = f"{self.kind.__module__}.{self.kind.__qualname__}"
                raise StudyError(f"{place}: found {type(entry).__name__}; allowed: an object of {wanted}")
            if entry.name in found:
                raise StudyError(f"{place}: the name {entry.name} is taken; choose another name")
            found[entry.name] = entry
        return found
