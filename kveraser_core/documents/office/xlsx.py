"""The text of an Excel workbook: its sheets in order, a line a row, tabs between the cells."""

import io
import warnings as python_warnings
from collections.abc import Iterator

from openpyxl import load_workbook
from openpyxl.chartsheet import Chartsheet

from kveraser_core.documents.formats import Extract
from kveraser_core.documents.office.package import Package


def xlsx_text(package: Package, data: bytes) -> Extract:
    """The values as they were when it was saved. Raises `DocumentTooLarge` or, in a broken file, anything."""
    package.take(package.size_of_all())
    warnings: list[str] = []
    with python_warnings.catch_warnings():
        python_warnings.simplefilter("ignore")
        return Extract(["\n\n".join(_sheets(data, warnings))], warnings)


def _sheets(data: bytes, warnings: list[str]) -> Iterator[str]:
    book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
    for name in book.sheetnames:
        sheet = book[name]
        if isinstance(sheet, Chartsheet):
            warnings.append(f"The chart {name} was left out.")
            continue
        if sheet.sheet_state != "visible":
            warnings.append(f"The sheet {name} is hidden in the workbook; it was read.")
        rows = ("\t".join(map(_shown, row)).rstrip() for row in sheet.iter_rows(values_only=True))
        if text := "\n".join(row for row in rows if row):
            yield f"{name}\n\n{text}"


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, bool):
        return str(value).upper()
    text = str(value).removesuffix(" 00:00:00")
    return " ".join(text.split()) if "\n" in text or "\t" in text else text
