"""The text of a Word document: headers, body with notes, endnotes, footers."""

import re
from collections.abc import Iterator

from lxml import etree

from kveraser_core.documents.beside import running_texts
from kveraser_core.documents.errors import DocumentError
from kveraser_core.documents.formats import Extract, File, extracted, from_want_of_memory
from kveraser_core.documents.office.docx_body import Context, notes, read
from kveraser_core.documents.office.docx_styles import Numbering, Styles, W
from kveraser_core.documents.office.package import Package, Relation

_NO_NOTES = {"separator", "continuationSeparator", "continuationNotice"}


def docx_text(package: Package, main: str) -> Extract:
    """What a reader sees of the document whose main part is `main`. Headers and footers are read once each.

    Raises a `DocumentError` or, in a broken file, anything.
    """
    relations = package.relations(main)
    parts = _Parts(package, relations)
    styles = Styles(parts.tree("styles"))
    context = Context(styles, Numbering(parts.tree("numbering"), styles), parts.embedded)
    parts.context = context
    for kind in ("footnote", "endnote"):
        root = parts.tree(f"{kind}s")
        for note in [] if root is None else root.findall(W + kind):
            if note.get(f"{W}type") not in _NO_NOTES:
                context.notes[kind, note.get(f"{W}id", "")] = note
    body = package.tree(main).find(f"{W}body")
    if body is None:
        raise ValueError(f"{main} has no body")
    blocks = [*parts.beside("header"), *read(body, context), *notes(context.endnotes_due, context)]
    text = "\n\n".join(blocks + list(parts.beside("footer")))
    comments = parts.tree("comments")
    if comments is not None and (count := len(comments.findall(f"{W}comment"))):
        context.say("The comment was left out." if count == 1 else f"The {count} comments were left out.")
    for form in sorted(context.numbering.unknown):
        context.say(f"Numbers that Word shows in the form {form[:60]} are shown in digits.")
    return Extract([text], list(context.said))


class _Parts:
    """The parts that the main part names, by their kind."""

    context: Context

    def __init__(self, package: Package, relations: dict[str, Relation]) -> None:
        self._package, self._relations = package, relations

    def tree(self, kind: str) -> etree._Element | None:
        part = next((one.part for one in self._relations.values() if one.kind == kind and one.part), None)
        return self._package.tree(part) if part else None

    def beside(self, kind: str) -> Iterator[str]:
        """The text of each header or footer."""
        parts = (one.part for one in self._relations.values() if one.kind == kind and one.part)
        return running_texts("\n".join(read(self._package.tree(part), self.context)) for part in parts)

    def embedded(self, name: str) -> str:
        """The text of a document of another format in this one."""
        part = self._relations.get(name, Relation("", None)).part
        if part is None:
            self.context.say("An embedded document is not in the file and was left out.")
            return ""
        data = self._package.read(part)
        if re.search(r"\.x?html?$", part, re.IGNORECASE):
            data = b"<!doctype html>" + data
        try:
            extract = extracted(File(data, part))
            text = "\n\n".join(extract.pages)
        except Exception as error:
            if from_want_of_memory(error):
                raise
            reason = str(error) if isinstance(error, DocumentError) else f"{part} is damaged."
            self.context.say(f"An embedded document was left out: {reason}")
            return ""
        for warning in extract.warnings:
            self.context.say(f"In the embedded document {part}: {warning}")
        return text.strip()
