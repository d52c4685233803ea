"""A report as Markdown, for a README, and its tables as CSV, for papers."""

import csv
import io
from collections.abc import Sequence

from deblur_jax.web.elements import Facts, Heading, Plots, Prose, Section, Table, plain

MOST_ROWS = 60  # of a table in Markdown; GoPro's 1111 pictures are for the CSV

# A name with such a sign stays a name: no table's border, emphasis, code, link or tag.
_SPECIAL = str.maketrans(
    {sign: f"\\{sign}" for sign in "\\|*_`[]"} | {"\n": " ", "<": "&lt;", ">": "&gt;"}
)


def markdown(title: str, intro: str, sections: Sequence[Section]) -> str:
    """Headings, paragraphs, tables, and plots as links to their files; pictures are left out."""
    parts = [f"# {_plain(title)}", _plain(intro)]
    for section in sections:
        parts.append(f"## {_plain(section.title)}")
        for element in plain(section.elements):
            own = _element(element)
            parts += [own] if own else []
    return "\n\n".join(parts) + "\n"


def tables(sections: Sequence[Section]) -> list[Table]:
    """All tables of a report, folded ones too."""
    elements = [element for section in sections for element in plain(section.elements)]
    return [each for each in elements if isinstance(each, Table)]


def comma_separated(table: Table) -> str:
    """A table as CSV: numbers in full precision and without units, where there are numbers."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([column.title for column in table.columns])
    for row in table.rows:
        writer.writerow([cell.text if cell.value is None else repr(cell.value) for cell in row])
    return stream.getvalue()


def _element(element: object) -> str:
    if isinstance(element, Prose):
        return _plain(element.text)
    if isinstance(element, Heading):
        return f"### {_plain(element.text)}"
    if isinstance(element, Facts):
        return "\n".join(f"- {_plain(name)}: {_plain(value)}" for name, value in element.items)
    if isinstance(element, Plots):
        return "\n".join(f"![{_plain(p.caption or p.name)}](plots/{p.name}.svg)"
                         for p in element.plots)  # fmt: skip
    return _table(element) if isinstance(element, Table) else ""


def _table(table: Table) -> str:
    title = f"**{_plain(table.title)}**\n"
    notes = [f"- {_plain(note)}" for note in table.notes]
    if len(table.rows) > MOST_ROWS:
        file = f"tables/{table.name}.csv"
        return "\n".join([title, f"{len(table.rows)} rows, in [{file}]({file}).", "", *notes])
    head = "| " + " | ".join(_plain(column.title) for column in table.columns) + " |"
    rule = "|" + "|".join("---:" if column.numeric else "---" for column in table.columns) + "|"
    rows = ["| " + " | ".join(_plain(cell.text) for cell in row) + " |" for row in table.rows]
    return "\n".join([title, head, rule, *rows, "", *notes]).strip()


def _plain(text: str) -> str:
    return text.translate(_SPECIAL)
