"""Books, OpenDocument texts and presentations of a few lines, for tests."""

from tests.hostile.docx_files import archive

OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
_PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml"
_SLIDES = (
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
    f'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" xmlns:r="{OFFICE}"'
)
_ODF = " ".join(
    f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for prefix, name in (
        ("office", "office"),
        ("style", "style"),
        ("text", "text"),
        ("table", "table"),
        ("draw", "drawing"),
    )
)


def types(kind, part):
    return f'<Types><Override PartName="/{part}" ContentType="{kind}"/></Types>'


def relations(*found):
    listed = "".join(
        f'<Relationship Id="{name}" Type="{OFFICE}/{kind}" Target="{part}"/>' for name, kind, part in found
    )
    return f"<Relationships>{listed}</Relationships>"


def epub_parts(**chapters):
    """The parts of a book whose manifest has `chapters` in order and whose spine has `first`, then `second`."""
    items = "".join(
        f'<item id="{name}" href="{_href(name)}" media-type="application/xhtml+xml"/>' for name in chapters
    )
    return {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": '<container xmlns="urn:c"><rootfiles><rootfile full-path="OPS/a.opf"/></rootfiles>'
        "</container>",
        "OPS/a.opf": f'<package xmlns="urn:o"><manifest>{items}</manifest><spine><itemref idref="first"/>'
        '<itemref idref="second"/></spine></package>',
    } | {
        f"OPS/{_href(name).replace('%20', ' ')}": f"<?xml version='1.0'?><html><body>{content}</body></html>"
        for name, content in chapters.items()
    }


def _href(name):
    return "first%20ch.xhtml" if name == "first" else f"{name}.xhtml"


def epub(**chapters):
    return archive(epub_parts(**chapters))


def odt(body, automatic="", styles="", header=""):
    automatic += "".join(
        f'<style:style style:name="{name}"><style:text-properties {properties}/></style:style>'
        for name, properties in (
            ("up", 'style:text-position="super 58%"'),
            ("low", 'style:text-position="-33% 58%"'),
            ("none", 'text:display="none"'),
        )
    )
    return archive(
        {
            "mimetype": "application/vnd.oasis.opendocument.text",
            "content.xml": f"<office:document-content {_ODF}><office:automatic-styles>{automatic}"
            f"</office:automatic-styles><office:body><office:text>{body}</office:text></office:body>"
            "</office:document-content>",
            "styles.xml": f"<office:document-styles {_ODF}><office:styles>{styles}</office:styles>"
            f"<office:master-styles><style:master-page><style:header>{header}</style:header></style:master-page>"
            "</office:master-styles></office:document-styles>",
        }
    )


def shape(text, properties="", extra=""):
    return f"<p:sp>{extra}<p:txBody><a:p>{properties}<a:r><a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp>"


def pptx(slides, notes=(), hidden=()):
    """A presentation of these slides, by number those with notes and those that are hidden."""
    names = [(f"r{at}", "slide", f"slides/s{at}.xml") for at in range(1, len(slides) + 1)]
    listed = "".join(f'<p:sldId r:id="{name}"/>' for name, *_ in names)
    parts = {
        "[Content_Types].xml": types(_PPTX, "ppt/presentation.xml"),
        "ppt/presentation.xml": f"<p:presentation {_SLIDES}><p:sldIdLst>{listed}</p:sldIdLst></p:presentation>",
        "ppt/_rels/presentation.xml.rels": relations(*names),
    }
    for at, content in enumerate(slides, 1):
        shown = ' show="0"' if at in hidden else ""
        parts[f"ppt/slides/s{at}.xml"] = f"<p:sld {_SLIDES}{shown}><p:cSld>{content}</p:cSld></p:sld>"
        if at in notes:
            parts[f"ppt/slides/_rels/s{at}.xml.rels"] = relations(("n", "notesSlide", f"../notes/n{at}.xml"))
            parts[f"ppt/notes/n{at}.xml"] = f"<p:notes {_SLIDES}>{shape(notes[at])}</p:notes>"
    return archive(parts)
