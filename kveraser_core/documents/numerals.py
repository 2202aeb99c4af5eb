"""Numbers as lists show them."""

from collections.abc import Callable

_ROMAN = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"),
    (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip
_LATIN = "abcdefghijklmnopqrstuvwxyz"
_RUSSIAN = "абвгдежзиклмнопрстуфхцчшщэюя"
_GREEK = "αβγδεζηθικλμνξοπρστυφχψω"


def roman(number: int) -> str:
    """In small letters; digits where there is no such numeral."""
    if not 0 < number < 4000:
        return str(number)
    written = ""
    for value, letters in _ROMAN:
        count, number = divmod(number, value)
        written += letters * count
    return written


def letters(number: int, repeated: bool = False, alphabet: str = _LATIN) -> str:
    """a to z, then aa, ab or, where `repeated`, aa, bb; digits where there is no such numeral."""
    if not 0 < number < 10_000:
        return str(number)
    if repeated:
        turns, at = divmod(number - 1, len(alphabet))
        return alphabet[at] * (turns + 1)
    written = ""
    while number:
        number, at = divmod(number - 1, len(alphabet))
        written = alphabet[at] + written
    return written


def ordinal(number: int) -> str:
    ending = "th" if number // 10 % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def circled(number: int) -> str:
    return chr(0x2460 + number - 1) if 0 < number <= 20 else str(number)


WORD: dict[str, Callable[[int], str]] = {
    "decimal": str,
    "decimalZero": lambda number: f"{number:02}",
    "upperRoman": lambda number: roman(number).upper(),
    "lowerRoman": roman,
    "upperLetter": lambda number: letters(number, repeated=True).upper(),
    "lowerLetter": lambda number: letters(number, repeated=True),
    "russianUpper": lambda number: letters(number, True, _RUSSIAN).upper(),
    "russianLower": lambda number: letters(number, True, _RUSSIAN),
    "ordinal": ordinal,
    "decimalEnclosedCircle": circled,
    "numberInDash": lambda number: f"- {number} -",
    "none": lambda number: "",
}
"""Word's names of the formats. Formats that are not here are shown in digits."""

HTML: dict[str, Callable[[int], str]] = {
    "1": str, "decimal": str,
    "a": letters, "lower-alpha": letters, "lower-latin": letters,
    "A": lambda number: letters(number).upper(),
    "upper-alpha": lambda number: letters(number).upper(),
    "upper-latin": lambda number: letters(number).upper(),
    "i": roman, "lower-roman": roman,
    "I": lambda number: roman(number).upper(), "upper-roman": lambda number: roman(number).upper(),
    "decimal-leading-zero": lambda number: f"{number:02}",
    "lower-greek": lambda number: letters(number, alphabet=_GREEK),
}  # fmt: skip
"""The types of an HTML list, and CSS's names of them. OpenDocument has those of one character."""
