"""The digests of user-defined code in a trial's definition.

They stand under the key `code`, wherever it is, and under `files` of a command; not in `args` and `axes`, whose keys are
the user's own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import orjson

from ablate.own_modules import code_digest, normalized_digest

CODE, FILES, COMMAND = "code", "files", "command"
FREE = ("args", "axes")  # mappings whose keys are the user's own


class Digest(NamedTuple):
    """A digest of user-defined code in a definition.

    Args:
        digest: As it stands in the definition.
        reference: The code as "module:callable"; or the name of a file, of a command's files; "" if neither is known.
        holder: The mapping or list that holds the digest.
        key: The key of the digest in `holder`.
    """

    digest: str
    reference: str
    holder: Any
    key: Any

    @property
    def file(self) -> str:
        """The file of the code as a user knows it, such as "mynet.py"."""
        module, colon, _ = self.reference.partition(":")
        return f"{module.replace('.', '/')}.py" if colon else self.reference or "code"


def has_code(definition: bytes) -> bool:
    """Whether a definition may name user-defined code; fast.

    Args:
        definition: The bytes of trial.json.
    """
    return b'"code"' in definition or b'"files"' in definition


def digests_in(value: Any, reference: str = "", *, inside: bool = False) -> Iterator[Digest]:
    """Every digest of user-defined code in a definition, in order.

    Args:
        value: The definition, or a part of it, in plain values.
        reference: What the digests are of, if that is known.
        inside: Whether the value is that of a key `code`.
    """
    if isinstance(value, dict):
        named = [each for each in (value.get("python"), value.get("block")) if isinstance(each, str) and ":" in each]
        for key, each in value.items():
            if inside and isinstance(each, str):
                yield Digest(each, key, value, key)
            elif key == CODE and isinstance(each, str):
                yield Digest(each, named[0] if named else reference, value, key)
            elif inside or key not in FREE:
                files = key == FILES and isinstance(value.get(COMMAND), list)
                yield from digests_in(each, reference, inside=inside or files or key == CODE)
    elif isinstance(value, list):
        for i, each in enumerate(value):
            if inside and isinstance(each, str):
                yield Digest(each, reference, value, i)
            else:
                yield from digests_in(each, reference, inside=inside)


def with_codes(definition: bytes, codes: Mapping[str, str]) -> bytes:
    """A definition with other digests of its code, and nothing else changed.

    Args:
        definition: The bytes of trial.json.
        codes: As returned by changed_codes(), without the files; digests that are not in it stay.

    Raises:
        ValueError: The bytes are no JSON.
    """
    value = _with_digests(definition, lambda found: codes.get(_key(found), codes.get(found.digest, found.digest)))
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def without_codes(definition: bytes) -> bytes:
    """A definition without the digests of its code. It is equal for trials that differ in code alone.

    Args:
        definition: The bytes of trial.json.

    Raises:
        ValueError: The bytes are no JSON.
    """
    return orjson.dumps(_with_digests(definition, lambda found: ""), option=orjson.OPT_SORT_KEYS)


def _with_digests(definition: bytes, new: Callable[[Digest], str]) -> Any:
    """The plain values of a definition with other digests of its code."""
    value = orjson.loads(definition)
    for found in list(digests_in(value)):
        found.holder[found.key] = new(found)
    return value


def _key(found: Digest) -> str:
    """The key of a digest that other code has too, such as that of one of two empty files."""
    return f"{found.digest} {found.reference}"


def changed_codes(before: bytes, now: bytes) -> dict[str, tuple[str, str]]:
    """The code that differs between two definitions that differ in code alone: old digest -> (new digest, file).

    Where other code has the same old digest and another new one, the reference stands in the key after the digest.

    Args:
        before: The bytes of the one trial.json.
        now: The bytes of the other.

    Raises:
        ValueError: The bytes are no JSON.
    """
    pairs = [*zip(digests_in(orjson.loads(before)), digests_in(orjson.loads(now)))]
    times = Counter(digest for digest, _ in {(old.digest, new.digest) for old, new in pairs})
    return {
        old.digest if times[old.digest] == 1 else _key(old): (new.digest, new.file)
        for old, new in pairs
        if old.digest != new.digest
    }


def normalized_codes(definition: bytes) -> dict[str, str]:
    """The normalized digest of the code that a definition names, by the digest in the definition.

    Code that has changed since, and files of a command, are left out.

    Args:
        definition: The bytes of trial.json.

    Raises:
        NotationError: The code is missing, or raises an error.
    """
    if not has_code(definition):
        return {}
    found = {each.digest: each.reference for each in digests_in(orjson.loads(definition)) if ":" in each.reference}
    return {digest: normalized_digest(reference) for digest, reference in found.items() if code_digest(reference) == digest}
