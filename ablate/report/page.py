"""Plain values -> index.html: one file with the tables, figures, curves and provenance of one study or of several.

It asks for nothing from elsewhere. A content security policy allows the one style and the one script in it, by their
hashes, and images that are in the page; every text is escaped. Without the script the tables and figures are all there;
with it tables sort and a cell shows its trials (assets/page.js), and every seed's curve answers the pointer (curves.js).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from html import escape
from importlib import resources

from ablate.report.page_data import PageCell, PageStudy, PageTable, curve_data, sort_value, to_json

LONG = 24  # a name of more characters may wrap
WIDE, WIDEST = 9, 12  # tables of more columns are printed small, smallest
_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
<script>{script}</script>
</body>
</html>
"""


def write_page(studies: Sequence[PageStudy]) -> bytes:
    """The page, HTML in UTF-8, the same bytes for the same studies. With several, a list of them stands at the top."""
    assert studies, "a page of nothing"
    style, script = _style(), _asset("page.js") + _asset("curves.js")
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    anchors = _anchors([study.name for study in studies])
    several = len(studies) > 1
    body = [_contents(studies, anchors)] if several else []
    body += ["<main>", *(_study(study, anchor, 2 if several else 1) for study, anchor in zip(studies, anchors)), "</main>"]
    title = f"{len(studies)} ablation studies" if several else studies[0].title
    page = _PAGE.format(policy=policy, title=escape(title), style=style, script=script, body="\n".join(body))
    return page.encode("utf-8", "replace")


def _style() -> str:
    colours = "".join(f".c{number} {{ --c: {colour}; }}\n" for number, colour in enumerate(_palette()))
    return _asset("page.css") + colours


def _palette() -> Sequence[str]:
    from ablate.report.figures.style import PALETTE  # here, because it imports matplotlib

    return PALETTE


def _asset(name: str) -> str:
    return (resources.files("ablate.report") / "assets" / name).read_text("utf-8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _anchors(names: Sequence[str]) -> list[str]:
    """An id a study, all different: its name, so that a link to it stays right when others are added."""
    anchors: list[str] = []
    for name in names:
        anchor = base = re.sub(r"[^\w-]+", "-", name) or "study"
        number = 2
        while anchor in anchors:
            anchor, number = f"{base}-{number}", number + 1
        anchors.append(anchor)
    return anchors


def _contents(studies: Sequence[PageStudy], anchors: Sequence[str]) -> str:
    entries = [
        f'<li><a href="#{anchor}">{escape(study.title)}</a>{_source(study)}{_scale(study)}</li>'
        for study, anchor in zip(studies, anchors)
    ]
    return _lines(
        f"<header><h1>{len(studies)} ablation studies</h1>",
        '<nav aria-label="Studies"><ol class="contents">',
        *entries,
        "</ol></nav></header>",
    )


def _study(study: PageStudy, anchor: str, level: int) -> str:
    """The article of one study. level: that of its heading."""
    heading = f"h{level + 1}"
    parts = [f'<article id="{anchor}">', f"<h{level}>{escape(study.title)}</h{level}>"]
    if study.scale or study.source:
        parts.append(f'<p class="source">{_scale(study)}{_source(study)}</p>')
    parts += _paragraphs(study.about, "about")
    parts += [_table(study, table, f"{anchor}.table-{number}") for number, table in enumerate(study.tables, 1)]
    figures = [_figure(f"{anchor}.{name}", words, svg) for name, words, svg in study.figures]
    scale = _scale(study)
    sections = [
        (f"What the {escape(study.speaker)} can and cannot say{scale}", _list(study.sentences)),
        (f"Every seed's curve{scale}", _curves(study)),
        (f"Figures{scale}", _lines('<div class="figures">', *figures, "</div>") if figures else ""),
        ("Notes", _lines(*_paragraphs(study.notes))),
        ("Made with", _list(study.made_with) + _trials(study, f"{anchor}.trials")),
    ]
    found = [(title, body) for title, body in sections if body]
    parts += [_lines("<section>", f"<{heading}>{title}</{heading}>", body, "</section>") for title, body in found]
    return _lines(*parts, "</article>")


def _lines(*parts: str) -> str:
    return "\n".join(parts)


def _scale(study: PageStudy) -> str:
    return f' <span class="scale">{escape(study.scale)}</span>' if study.scale else ""


def _source(study: PageStudy) -> str:
    return f' <span class="soft">{escape(study.source)}</span>' if study.source else ""


def _list(texts: Sequence[str]) -> str:
    return _lines("<ul>", *(f"<li>{escape(text)}</li>" for text in texts), "</ul>") if texts else ""


def _paragraphs(text: str, kind: str = "") -> list[str]:
    """A paragraph for each run of lines without an empty one."""
    start = f'<p class="{kind}">' if kind else "<p>"
    return [f"{start}{escape(' '.join(part.split()))}</p>" for part in re.split(r"\n\s*\n", text) if part.strip()]


def _table(study: PageStudy, table: PageTable, anchor: str) -> str:
    marks = {mark.strip() for row in table.rows for cell in row for mark in cell.mark.split(",")} - {""}
    untraced = {trial for row in table.rows for cell in row for trial in cell.trials} - study.trials.keys()
    assert not untraced, f"cells name trials that the page does not know: {sorted(untraced)}"
    right = table.numeric
    rows = [[_cell(cell, right[column], first=not column) for column, cell in enumerate(row)] for row in table.rows]
    caption = f"{_scale(study)} {escape(table.caption)}".strip()
    parts = [_grid(caption, table.header, right, rows, anchor)]
    if table.notes:
        parts += ['<ul class="footnotes">', *(f"<li>{_footnote(note, marks)}</li>" for note in table.notes), "</ul>"]
    return "\n".join(parts)


def _grid(caption: str, header: Sequence[str], numeric: Sequence[bool], rows: Iterable[Iterable[str]], anchor: str) -> str:
    """A table in a box of its own, where it scrolls if it is too wide. caption and cells: HTML."""
    kinds = [' class="number"' if right else "" for right in numeric]
    heads = "".join(f'<th scope="col"{kind}>{escape(title)}</th>' for title, kind in zip(header, kinds))
    width = ' class="widest"' if len(header) > WIDEST else ' class="wide"' if len(header) > WIDE else ""
    return _lines(
        f'<div class="scroll" role="region" tabindex="0" aria-labelledby="{anchor}">',
        f'<table{width}><caption id="{anchor}"><span>{caption}</span></caption>',
        f"<thead><tr>{heads}</tr></thead>",
        "<tbody>",
        *(f"<tr>{''.join(row)}</tr>" for row in rows),
        "</tbody></table></div>",
    )


def _cell(cell: PageCell, right: bool, first: bool) -> str:
    text = escape(cell.text)
    text = f"<b>{text}</b>" if cell.bold else text
    text += f"<sup>{escape(cell.mark)}</sup>" if cell.mark else ""
    value = sort_value(cell.text) if right else None
    kinds = [*(["number"] if right else []), *(["long"] if first and len(cell.text) > LONG else [])]
    attributes = f' class="{" ".join(kinds)}"' if kinds else ""
    attributes += f' data-value="{_number(value)}"' if value is not None else ""
    attributes += f' data-trials="{escape(" ".join(cell.trials))}"' if cell.trials else ""
    return f'<th scope="row"{attributes}>{text}</th>' if first else f"<td{attributes}>{text}</td>"


def _number(value: float) -> str:
    """As JavaScript reads it."""
    return "Infinity" if value == float("inf") else repr(value)


def _footnote(note: str, marks: set[str]) -> str:
    mark, colon, text = note.partition(":")
    return f"<sup>{escape(mark)}</sup> {escape(text.strip())}" if colon and mark in marks else escape(note)


def _figure(anchor: str, words: str, svg: bytes) -> str:
    data = base64.b64encode(svg).decode()
    return f'<figure id="{escape(anchor)}"><img src="data:image/svg+xml;base64,{data}" alt="{escape(words)}"></figure>'


def _curves(study: PageStudy) -> str:
    if not study.curves:
        return ""
    return _lines(
        '<div class="curves">',
        f'<script type="application/json">{to_json(curve_data(study.curves, len(_palette())))}</script>',
        '<p class="soft">Needs JavaScript; the figures show the medians.</p>',
        "</div>",
    )


def _trials(study: PageStudy, anchor: str) -> str:
    """The provenance of every trial, from which page.js also takes the trials of a cell."""
    if not study.trials:
        return ""
    fields = list(dict.fromkeys(field for values in study.trials.values() for field in values))
    values = {field: [trial.get(field, "") for trial in study.trials.values()] for field in fields}
    numeric = [any(values[field]) and all(map(_is_number, values[field])) for field in fields]
    rows = [
        [f'<th scope="row" data-trial="{escape(trial)}"><code>{escape(trial)}</code></th>']
        + [_cell(PageCell(provenance.get(field, "")), right, first=False) for field, right in zip(fields, numeric)]
        for trial, provenance in study.trials.items()
    ]
    count = f"{len(rows)} trial{'' if len(rows) == 1 else 's'}"
    caption = f"{_scale(study)} Every trial and where it comes from".strip()
    grid = _grid(caption, ["trial", *fields], [False, *numeric], rows, anchor)
    return f'<details class="trials"><summary>{count}, each with its provenance</summary>\n{grid}</details>'


def _is_number(text: str) -> bool:
    return not text or bool(re.fullmatch(r"[-+−]?[\d,]*\.?\d+(e[-+]?\d+)?|–|diverged", text))
