"""Word documents of a few lines of WordprocessingML, for tests."""

from kveraser_core.documents.formats import parse
from tests.hostile.docx_files import TYPES, archive

PREFIXES = {
    "w": "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "r": "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
    "m": "http://schemas.openxmlformats.org/officeDocument/2006/math",
    "mc": "http://schemas.openxmlformats.org/markup-compatibility/2006",
    "a": "http://schemas.openxmlformats.org/drawingml/2006/main",
    "c": "http://schemas.openxmlformats.org/drawingml/2006/chart",
    "v": "urn:schemas-microsoft-com:vml",
}
NAMESPACES = " ".join(f'xmlns:{prefix}="{address}"' for prefix, address in PREFIXES.items())
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"


def word_with(body, relations=(), **parts):
    """A DOCX with this body; `parts` are others by their kind, `relations` are (id, kind, target) besides."""
    names = [(f"rId{kind}", kind, f"{kind}.xml") for kind in parts]
    rels = "".join(
        f'<Relationship Id="{name}" Type="{PREFIXES["r"]}/{kind.rstrip("0123456789")}" Target="{target}"/>'
        for name, kind, target in [*names, *relations]
    )
    files = {
        "[Content_Types].xml": TYPES,
        "word/document.xml": f"<w:document {NAMESPACES}><w:body>{body}</w:body></w:document>",
        "word/_rels/document.xml.rels": f'<Relationships xmlns="{RELATIONS}">{rels}</Relationships>',
    }
    for kind, content in parts.items():
        root = {"header": "hdr", "footer": "ftr"}.get(kind.rstrip("0123456789"), kind)
        files[f"word/{kind}.xml"] = f"<w:{root} {NAMESPACES}>{content}</w:{root}>"
    return files


def packed(files):
    return archive(files)


def run(text, properties=""):
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def paragraph(text, properties=""):
    return f"<w:p><w:pPr>{properties}</w:pPr>{run(text)}</w:p>"


def text(body, **parts):
    """What is read of a DOCX with this body."""
    return parse(packed(word_with(body, **parts)), "a.docx").text


def warnings(body, **parts):
    return parse(packed(word_with(body, **parts)), "a.docx").warnings
