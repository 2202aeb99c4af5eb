"""The text of an e-mail (EML) or of a page saved with its pictures (MHTML)."""

from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage, Message

from kveraser_core.documents.errors import DocumentError
from kveraser_core.documents.formats import Extract, File, extracted

_HEADERS = ("From", "To", "Cc", "Date", "Subject")
_NAMED = 20
_READ = {"text/plain", "text/html", "application/xhtml+xml"}


def mail_text(data: bytes, title: str) -> Extract:
    """The chief headers and the text of a message; of a saved page, the page alone.

    The plain form of a text is read before its HTML form. Raises a `DocumentError` or, in a broken file, anything.
    """
    message = message_from_bytes(data.lstrip(b"\xef\xbb\xbf\r\n"), policy=policy.default)
    assert isinstance(message, EmailMessage)
    warnings: list[str] = []
    head = "" if _is_saved_page(message) else _head(message)
    body = _body(message, title, warnings)
    attached = list(_attached(message))
    if attached:
        shown = ", ".join(attached[:_NAMED]) + (f" and {len(attached) - _NAMED} more" if attached[_NAMED:] else "")
        one = len(attached) == 1
        warnings.append(f"The {'attachment was' if one else 'attachments were'} left out: {shown}.")
    return Extract(["\n\n".join(part for part in (head, body) if part)], warnings)


def _is_saved_page(message: EmailMessage) -> bool:
    saved = "snapshot-content-location" in message or "Saved by" in str(message.get("from", ""))
    return saved or (message.get_content_type() == "multipart/related" and "to" not in message)


def _head(message: EmailMessage) -> str:
    lines = ((name, " ".join(str(message.get(name, "")).split())) for name in _HEADERS)
    return "\n".join(f"{name}: {value}" for name, value in lines if value)


def _body(message: EmailMessage, title: str, warnings: list[str]) -> str:
    if not _is_saved_page(message):
        return "\n\n".join(_inline(message, title, warnings))
    part = message.get_body(preferencelist=("html",))
    if part is None:
        part = next((one for one in message.walk() if one.get_content_type().endswith("html")), None)
    return "" if part is None else _text(part, title, warnings).strip()


def _inline(part: Message, title: str, warnings: list[str]) -> Iterator[str]:
    """The texts that a message shows one after the other; of several forms of one, the plainest that has any text."""
    if part.get_content_type() == "message/rfc822" or part.get_content_disposition() == "attachment":
        return
    if part.is_multipart():
        forms = [child for child in part.get_payload() if isinstance(child, Message)]
        if part.get_content_subtype() != "alternative":
            for child in forms:
                yield from _inline(child, title, warnings)
            return
        forms.sort(key=lambda form: form.get_content_type() != "text/plain")
        yield from next((texts for form in forms if (texts := list(_inline(form, title, warnings)))), [])
    elif part.get_content_type() in _READ and (text := _text(part, title, warnings).strip()):
        yield text


def _text(part: Message, title: str, warnings: list[str]) -> str:
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return ""
    if part.get_content_subtype() != "plain":
        data = b"<!doctype html>" + data
    charset = part.get_content_charset()
    if charset == "us-ascii":
        charset = None  # what mail is said to be where nothing is said
    try:
        extract = extracted(File(data, title, encoding=charset))
    except DocumentError:
        extract = extracted(File(data, title))
    warnings += extract.warnings
    return "\n\n".join(extract.pages)


def _attached(message: EmailMessage) -> Iterator[str]:
    """The names of the parts that are attached; pictures that a page shows are none."""
    for part in message.walk():
        if part.is_multipart() and part.get_content_type() != "message/rfc822":
            continue
        name = part.get_filename()
        if part.get_content_type() == "message/rfc822":
            yield "a forwarded message"
        elif part.get_content_disposition() == "attachment" or (not part.get("content-id") and _is_left_out(part)):
            yield " ".join((name or part.get_content_type()).split())[:100]


def _is_left_out(part: Message) -> bool:
    kind = part.get_content_type()
    return kind not in _READ and not kind.endswith("signature")
