"""Superscripts and subscripts, equations and roots in a line of text, so that 10⁵ is not read as 105."""

import re
from collections.abc import Iterable

_PLAIN = "0123456789+-−–=()ni"
_RAISED = str.maketrans(_PLAIN, "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁻⁼⁽⁾ⁿⁱ")
_LOWERED = str.maketrans(_PLAIN[:-2], "₀₁₂₃₄₅₆₇₈₉₊₋₋₋₌₍₎")
_KEPT = re.compile(r"\[.*\]|\(.*\)|st|nd|rd|th|ers?|res?|es?|[ºªoa]|[*†‡§¶®©℠™°′″\s]*|TM|SM", re.DOTALL)
"""What means the same when it is not raised: a mark of a note, an ordinal's ending, a trade mark."""
_ONE = re.compile(r"-?\d+(?:[.,]\d+)*|[^\W\d_]+|\S[\u0300-\u036f]?")


def raised(text: str) -> str:
    """`text` as a superscript: `⁵`, or `^a` where not all of it has such characters."""
    return _set(text, _PLAIN, _RAISED, "^")


def lowered(text: str) -> str:
    """`text` as a subscript: `₂`, or `_max`."""
    return _set(text, _PLAIN[:-2], _LOWERED, "_")


def _set(text: str, known: str, table: dict[int, int], sign: str) -> str:
    inner = text.strip()
    if not inner or _KEPT.fullmatch(inner):
        return text
    before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    set_ = inner.translate(table) if all(character in known for character in inner) else sign + grouped(inner)
    return before + set_ + after


def grouped(text: str) -> str:
    """`text` in parentheses, unless it is a single word, number or sign."""
    return text if _ONE.fullmatch(text) else f"({text})"


def fraction(above: str, below: str) -> str:
    return f"{grouped(above)}/{grouped(below)}"


def joined(parts: Iterable[str]) -> str:
    """Parts of an equation side by side; a number before a fraction is not one with it."""
    text = ""
    for part in parts:
        apart = text[-1:].isdigit() and re.match(r"\d[^ ]*/", part)
        text += f" {part}" if apart else part
    return text


def root(inside: str, degree: str = "") -> str:
    return f"{raised(degree) if degree else ''}√{grouped(inside)}"


def matrix(rows: Iterable[Iterable[str]]) -> str:
    return "[" + "; ".join(", ".join(row) for row in rows) + "]"
