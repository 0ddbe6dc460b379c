"""The page of results: tables between two marks of docs/md-validation.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from validate.md_judges import Row

from clustermark.core.errors import UsageError, plain

BEGIN, END = "<!-- validation: begin -->", "<!-- validation: end -->"


def table(rows: Sequence[Row]) -> str:
    """Rows as a Markdown table."""
    lines = [
        "| check | ours | reference | source of the reference | tolerance | verdict |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = (row.check, row.ours, row.reference, row.source, row.tolerance, row.verdict)
        lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    return "\n".join(lines)


def written_between(page: Path, text: str) -> None:
    """Replace what stands between the marks of a page.

    Raises
    ------
    UsageError : the page is not there or has no marks
    """
    old = page.read_text(encoding="utf-8") if page.exists() else ""
    begin, end = old.find(BEGIN), old.find(END)
    if begin < 0 or end < begin:
        raise UsageError(f"{plain(str(page), 200)}: has no marks '{BEGIN}' and '{END}' in this order; put them back")
    page.write_text(f"{old[: begin + len(BEGIN)]}\n{text}\n{old[end:]}", encoding="utf-8")
