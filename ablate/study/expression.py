"""The language of `where`: comparisons and arithmetic with a variant's axes and counts, and nothing else.

k * depth <= 400        block in ("B(3,3)", "B(3,1)") and recipe.lr < 0.2        not (parameters > 2e6)
"""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from ablate.errors import StudyError, allowed

MAX_LENGTH = 500
MAX_DEPTH = 60

_BINARY: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_COMPARE: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}
_UNARY: dict[type[ast.AST], Callable[[Any], Any]] = {ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Not: operator.not_}

Names = Mapping[str, Any]
Value = Callable[[Names], Any]


def compile_expression(text: str) -> Callable[[Names], bool]:
    """A function from the values of names (dotted names too) to the value of the expression, true or false.

    The function raises StudyError for an unknown name, or for a value that is not true or false.

    Args:
        text: A Python expression of at most MAX_LENGTH characters.

    Raises:
        StudyError: The text is not an expression, or uses something outside the language.
    """
    if len(text) > MAX_LENGTH:
        raise StudyError(f"where: {len(text)} characters; allowed: at most {MAX_LENGTH}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as a SyntaxWarning
            tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        reason = "too deep" if isinstance(error, (MemoryError, RecursionError)) else getattr(error, "msg", error)
        raise StudyError(f"where: '{text}' is not an expression: {reason}") from None
    if _depth(tree.body) > MAX_DEPTH:
        raise StudyError(f"where: nested deeper than {MAX_DEPTH}")
    value = _compile(tree.body)

    def holds(names: Names) -> bool:
        try:
            result = value(names)
        except (TypeError, ZeroDivisionError, OverflowError, ValueError) as error:
            raise StudyError(f"where: '{text}': {error}") from None
        if not isinstance(result, bool):
            raise StudyError(f"where: '{text}' is {result!r}; allowed: something true or false")
        return result

    return holds


def names_in(text: str) -> set[str]:
    """The names that an expression uses, such as "k" and "recipe.lr".

    Args:
        text: Accepted by compile_expression().
    """
    nodes = [node for node in ast.walk(ast.parse(text.strip(), mode="eval")) if isinstance(node, (ast.Name, ast.Attribute))]
    beginnings = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    return {_dotted(node) for node in nodes if id(node) not in beginnings}


def _depth(node: ast.AST) -> int:
    """The depth of a tree, found without recursion."""
    deepest, waiting = 0, [(node, 1)]
    while waiting:
        node, depth = waiting.pop()
        deepest = max(deepest, depth)
        waiting += [(child, depth + 1) for child in ast.iter_child_nodes(node)]
    return deepest


def _compile(node: ast.expr) -> Value:
    """A function from names to the value of a node. Raises StudyError for a node outside the language."""
    match node:
        case ast.Constant(value=bool() | int() | float() | str() as constant):
            return lambda names: constant
        case ast.Name() | ast.Attribute():
            return _name(_dotted(node))
        case ast.Tuple(elts=items) | ast.List(elts=items):
            values = [_compile(item) for item in items]
            return lambda names: tuple(value(names) for value in values)
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            unary, inner = _UNARY[type(op)], _compile(operand)
            return lambda names: unary(inner(names))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            binary, a, b = _BINARY[type(op)], _compile(left), _compile(right)
            return lambda names: binary(_number(a(names)), _number(b(names)))
        case ast.BoolOp(op=op, values=parts):
            all_or_any = all if isinstance(op, ast.And) else any
            values = [_compile(part) for part in parts]
            return lambda names: all_or_any(bool(value(names)) for value in values)
        case ast.Compare(left=left, ops=ops, comparators=rights) if all(type(op) in _COMPARE for op in ops):
            compare = [_COMPARE[type(op)] for op in ops]
            values = [_compile(side) for side in (left, *rights)]

            def chain(names: Names) -> bool:
                sides = [value(names) for value in values]
                return all(op(a, b) for op, a, b in zip(compare, sides, sides[1:]))

            return chain
    what = ast.unparse(node)
    raise StudyError(
        f"where: '{what}' is not accepted; allowed: names, numbers, quoted text, + - * / // %, "
        "comparisons, in, and, or, not"
    )


def _dotted(node: ast.expr) -> str:
    """The dotted name of a node, such as "recipe.lr"."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    raise StudyError(f"where: '{ast.unparse(node)}' is not accepted; allowed: names such as k or recipe.lr")


def _name(name: str) -> Value:
    """A function that looks a name up."""

    def look_up(names: Names) -> Any:
        if name not in names:
            near = allowed(name, names).partition("allowed: ")[0]
            plain = ", ".join(key for key in names if "." not in key)
            raise StudyError(f"where: unknown name '{name}'; {near}allowed: {plain}, args.*, recipe.*, data.*")
        return names[name]

    return look_up


def _number(value: Any) -> Any:
    """The value, if it is a number. Raises TypeError otherwise."""
    if isinstance(value, (int, float)):
        return value
    raise TypeError(f"arithmetic on {value!r}; allowed: numbers")
