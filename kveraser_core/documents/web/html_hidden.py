"""Which elements of a page are not shown, by themselves or by what is declared of them."""

import re

from bs4 import Tag

from kveraser_core.documents.web.html_styles import text_of

NOT_TEXT = {
    "script", "style", "template", "head", "noscript", "iframe", "object", "canvas", "audio", "video", "datalist",
    "rp", "annotation", "annotation-xml", "source", "track",
}  # fmt: skip
"""Elements whose content is never shown as text where scripts run."""

_NOTHING = r"[01]?(?:\.\d*)?(?:px|pt)?|0(?:\.0*)?(?:[a-z]+|%)?"
_BESIDE = re.compile(r"-\d{3,}(?:\.\d*)?[a-z%]+")
_HIDING = {
    "display": re.compile(r"none"),
    "content-visibility": re.compile(r"hidden"),
    "opacity": re.compile(r"0(?:\.0*)?%?"),
    "clip": re.compile(r"rect\((?:[01](?:px)?[\s,]*){4}\)"),
    "clip-path": re.compile(r"inset\((?:[5-9]\d|100)%.*\)|circle\(0.*\)"),
    **dict.fromkeys(("left", "top", "right", "text-indent"), _BESIDE),
}
"""By what an element is hidden with all that is in it."""
_INHERITED = {
    "visibility": (re.compile(r"hidden|collapse"), re.compile(r"inherit|unset")),
    "font-size": (re.compile(_NOTHING), re.compile(r".*[\d.](?:em|%)|inherit|unset|larger|smaller")),
    "color": (
        re.compile(r"transparent|rgba\(.*[,/]\s*0(?:\.0*)?%?\s*\)|#[0-9a-f]{3}0|#[0-9a-f]{6}00"),
        re.compile(r"inherit|unset|currentcolor"),
    ),
}
"""By what it is hidden but for elements in it that say otherwise; and what does not say otherwise."""
_WHITE = re.compile(r"white|#fff(?:fff)?|rgb\(255,\s*255,\s*255\)")


def hides(element: Tag, declared: dict[str, str]) -> bool:
    """Whether neither the element nor anything in it is shown, its ancestors being so."""
    attributes = element.attrs
    if "hidden" in attributes or text_of(attributes.get("aria-hidden")).strip().lower() == "true":
        return True
    if element.name == "input" and text_of(attributes.get("type")).strip().lower() == "hidden":
        return True
    if "popover" in attributes or (element.name == "dialog" and "open" not in attributes):
        return True
    if any(name in _HIDING and _HIDING[name].fullmatch(value) for name, value in declared.items()):
        return True
    sizes = (declared.get(name, "") for name in ("width", "height", "max-height"))
    clipped = declared.get("overflow") in {"hidden", "clip"}
    return clipped and any(size and re.fullmatch(_NOTHING, size) for size in sizes)


def unseen(declared: dict[str, str], before: frozenset[str], on_white: bool) -> frozenset[str]:
    """The properties by which the text of an element is hidden, of which `before` are those around it."""
    here = set(before)
    grounds = {declared.get("background"), declared.get("background-color")}
    for name, (hiding, keeping) in _INHERITED.items():
        value = declared.get(name)
        if value is None or keeping.fullmatch(value):
            continue
        lost = name == "color" and ((on_white and _WHITE.fullmatch(value)) or value in grounds)
        (here.add if lost or hiding.fullmatch(value) else here.discard)(name)
    if "text" in (declared.get("background-clip"), declared.get("-webkit-background-clip")):
        here.discard("color")  # the background shows through the letters
    return frozenset(here)
