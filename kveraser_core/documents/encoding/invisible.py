"""Characters that nobody sees: they hide words from a search, and instructions from a reader.

Joiners stay where a script or an emoji needs them, variation selectors where they choose how a sign is drawn.
"""

import re

_JOINED = (
    "\u0600-\u08ff\u0900-\u0dff\u0e80-\u0fff\u1000-\u109f\u1780-\u18af\u1900-\u1cff\ua8e0-\ua9df\uaa00-\uabff"
    "\ufb50-\ufdff\ufe70-\ufefc\U00011000-\U00011fff"
)
"""Scripts whose letters joiners join or part: Arabic, those of India, Tibet and South-East Asia, Mongolian."""
_EMOJI = "\xa9\xae\u2190-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
_SEEN_NOWHERE = (
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0d"
    "\ufeff\uffa0\ufff9-\ufffb\U000e0100-\U000e01ef"
)
_ANY = re.compile(f"[{_SEEN_NOWHERE}\u200c\u200d\ufe0e\ufe0f\U000e0000-\U000e007f]")
_LEFT_OUT = re.compile(
    f"[{_SEEN_NOWHERE}]"
    f"|(?<![{_JOINED}])\u200c|\u200c(?![{_JOINED}])"
    f"|(?<![{_JOINED}{_EMOJI}\ufe0f])\u200d|(?<![{_JOINED}])\u200d(?![{_EMOJI}])"
    f"|(?<![{_EMOJI}0-9#*])[\ufe0e\ufe0f]"
    "|(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0000-\U000e007f]+"
)


def without_invisible(text: str) -> str:
    """`text` without the characters that are not seen and join nothing."""
    if not _ANY.search(text):
        return text
    return _LEFT_OUT.sub("", text)
