"""Reads hostile files, each in a fork of this process with the limits of a child that parses.

`python -m tests.soak.forked_reader SEED FIRST LAST` reads mutated files, without arguments the crafted ones. It
prints a line of JSON for each: `name`, `size`, `seconds` of processor time, `megabytes`, `end` (the wait status), and
`said`: "read", the name of a `DocumentError`, or what was thrown instead.
"""

import itertools
import json
import os
import sys
import traceback
from collections.abc import Iterator

from kveraser_core.documents import pdf as document_pdf
from kveraser_core.documents.child import answer, limit
from kveraser_core.documents.encoding import encodings as document_encodings
from kveraser_core.documents.errors import DocumentError
from kveraser_core.documents.formats import plain_text
from kveraser_core.documents.office import docx as document_docx
from kveraser_core.documents.office import epub as document_epub
from kveraser_core.documents.office import odt as document_odt
from kveraser_core.documents.office import pptx as document_pptx
from kveraser_core.documents.office import rtf as document_rtf
from kveraser_core.documents.office import xlsx as document_xlsx
from kveraser_core.documents.process import MAX_MEMORY, MAX_SECONDS
from kveraser_core.documents.web import html as document_html
from kveraser_core.documents.web import mail as document_mail
from tests.hostile import docx_files, other_files, pdf_files, text_files
from tests.soak.mutations import mutated

IMPORTED_BEFORE = (document_docx, document_encodings, document_html, document_pdf, document_rtf,
    document_epub, document_mail, document_odt, document_pptx, document_xlsx,
)  # fmt: skip


def crafted() -> Iterator[tuple[str, bytes]]:
    for name, build in itertools.chain(
        *(module.FILES.items() for module in (pdf_files, docx_files, text_files, other_files))
    ):
        yield name, build()


def said(data: bytes) -> str:
    try:
        head, _ = ({}, b"") if plain_text(data, "f") else answer(data, "f", None)
        return str(head.get("error", "read"))
    except DocumentError as error:
        return type(error).__name__
    except BaseException:
        return traceback.format_exc()


def main() -> None:
    for name, data in mutated(*map(int, sys.argv[1:])) if sys.argv[1:] else crafted():
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            limit(MAX_SECONDS, MAX_MEMORY)
            os.write(writing, said(data).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as answered:
            outcome = answered.read().decode()
        _, end, used = os.wait4(pid, 0)
        seconds = round(used.ru_utime + used.ru_stime, 3)
        line = {
            "size": len(data),
            "seconds": seconds,
            "megabytes": used.ru_maxrss // 1024,
            "end": end,
            "said": outcome,
        }
        print(json.dumps({"name": name, **line}), flush=True)


if __name__ == "__main__":
    main()
