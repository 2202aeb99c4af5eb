"""PDFs that are made here, object by object."""

import io

import pypdf
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    FloatObject,
    NameObject,
    NumberObject,
)

from kveraser_core.documents import read_document


def named(name):
    return NameObject(f"/{name}")


def dictionary(**entries):
    return DictionaryObject({NameObject(f"/{key}"): value for key, value in entries.items()})


def stream(data, **entries):
    made = DecodedStreamObject()
    made.update(dictionary(**entries))
    made.set_data(data.encode("latin-1"))
    return made


class File:
    """A PDF that is made page by page from content streams; `F1` is Helvetica, `F2` Courier, `Im1` a picture."""

    def __init__(self, *contents):
        self.writer = pypdf.PdfWriter()
        add = self.writer._add_object
        fonts = {
            "F1": add(dictionary(Type=named("Font"), Subtype=named("Type1"), BaseFont=named("Helvetica"))),
            "F2": add(
                dictionary(
                    Type=named("Font"), Subtype=named("Type1"), BaseFont=named("Courier"),
                    FontDescriptor=dictionary(Type=named("FontDescriptor"), Flags=NumberObject(33)),
                )
            ),
        }  # fmt: skip
        picture = stream(
            "\0", Subtype=named("Image"), Width=NumberObject(1), Height=NumberObject(1),
            ColorSpace=named("DeviceGray"), BitsPerComponent=NumberObject(8),
        )  # fmt: skip
        self.objects = dictionary(Im1=add(picture))
        self.resources = dictionary(Font=dictionary(**fonts), XObject=self.objects)
        for content in contents:
            page = self.writer.add_blank_page(612, 792)
            page[named("Contents")] = add(stream(content))
            page[named("Resources")] = self.resources

    def annotate(self, page=0, rect=(200, 715, 400, 735), **entries):
        place = ArrayObject(map(FloatObject, rect))
        made = self.writer._add_object(dictionary(Type=named("Annot"), Rect=place, **entries))
        kept = self.writer.pages[page]
        kept[named("Annots")] = ArrayObject([*kept.get("/Annots", []), made])
        return self

    def saved(self):
        buffer = io.BytesIO()
        self.writer.write(buffer)
        return buffer.getvalue()

    def read(self):
        return read_document(self.saved(), "a.pdf")


def text(*lines, x=72, y=720, leading=16, size=12, font="F1"):
    """The operators that show `lines` below each other, or each at the `(x, y)` before it."""
    shown = []
    for line in lines:
        if isinstance(line, tuple):
            x, y, line = line
        shown.append(f"/{font} {size} Tf 1 0 0 1 {x} {y} Tm ({line}) Tj")
        y -= leading
    return f"BT {' '.join(shown)} ET "
