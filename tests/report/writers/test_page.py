from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote

import pytest

from ablate.report.document import Curves, Document, Figures, Notes, Provenance, Sentences, TrialCurve, make_sections
from ablate.report.numbers import percent
from ablate.report.table import NO_VALUE, Cell, Column, make_table, number, words
from ablate.report.writers import page as module
from ablate.report.writers.page_curves import curve_data, median_curve

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><rect style="fill: red"/></svg>'
NASTY = "</script></style><img src=x onerror=\"alert('1')\"><!-- & \u2028 'x' é ]]>"
CLOSED_BY_THEMSELVES = {"meta", "link", "img"}


def curve(seed: int | None, error: list[float | None], loss: list[float | None] | None = None, **more: Any) -> TrialCurve:
    epochs = list(range(1, len(error) + 1))
    return replace(TrialCurve(0, "WRN-16-1", seed, epochs, loss or [None] * len(error), error, f"trial{seed}"), **more)


def document(text: str = "plain", name: str = "block_types", badge: str = "small scale: 12 epochs") -> Document:
    """A report whose every text is `text`, or ends with it."""
    rows = [
        [words(f"WRN-16-1 {text}"), number(4.1, percent, "a", True, ("trial0", "trial1"))],
        [words(f"WRN-22-1 {text}"), Cell(text, text, text, trials=("trial2",))],
    ]
    columns = [Column("Network", False), Column(f"Median, {text}")]
    table = make_table(columns, rows, caption=f"Test error, {text}", notes=[("a", text), (text, text)])
    curves = tuple(curve(seed, [50.0, 4.0 + seed], [2.0, 1.0], label=text, trial=text) for seed in range(3))
    provenance = [[words(f"trial{seed}"), number(seed), words(text)] for seed in range(3)]
    trials = make_table([Column("trial", False), Column("seed"), Column(text, False)], provenance, caption="Every trial")
    return Document(
        name, f"Title {text}", badge and f"{badge} {text}", text, text, (table,), (),
        make_sections(
            (f"What is said {text}", Sentences((text,))),
            ("Notes", Notes(f"{text}\nand more\n\n{text}")),
            ("Curves", Curves(curves)),
            ("Figures", Figures({"errors": text})),
            ("Made with", Provenance((text,), trials, text, ())),
        ),
    )  # fmt: skip


def write_page(*documents: Document) -> bytes:
    """The page of some reports, each with the figure that it names."""
    return module.write_page([(one, {"errors": SVG}) for one in documents])


def without(known: Document, *kinds: type) -> Document:
    """The report without the sections of some kinds."""
    return replace(known, sections=tuple(one for one in known.sections if not isinstance(one.content, kinds)))


class Page(HTMLParser):
    """What a browser finds: tags with their attributes, texts, and the content of style and script elements."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.raw: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(page.decode())
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in CLOSED_BY_THEMSELVES:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("style", "script"):
            self.raw.append((self._open[-1], data))
        else:
            self.texts.append(data)

    def attributes(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.tags if name in attributes]


def unpacked(text: str) -> Any:
    return json.loads(zlib.decompress(base64.b64decode(text)))


def digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_the_policy_allows_this_style_and_this_script_and_nothing_else() -> None:
    page = Page(write_page(document()))
    policy = next(a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    (style,) = [text for tag, text in page.raw if tag == "style"]
    script = page.raw[-1][1]
    assert dict(rule.split(" ", 1) for rule in policy.split("; ")) == {
        "default-src": "'none'",
        "style-src": digest(style),
        "script-src": digest(script),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_nothing_is_asked_from_elsewhere() -> None:
    html = write_page(document(), document(name="other"))
    page = Page(html)
    assert set(re.findall(r"https?://[^\"'`%\s]*", html.decode())) == {
        "http://www.w3.org/2000/svg"
    }  # a name, in the script
    assert all(url.startswith(("data:", "#")) for name in ("src", "href") for url in page.attributes(name))
    assert not re.search(r"@import|url\((?!#)", html.decode())
    names = {name for _, attributes in page.tags for name in attributes}
    assert "style" not in names and not [name for name in names if name.startswith("on")]


def test_every_text_stays_text() -> None:
    plain = re.sub(r"\W", "_", NASTY)
    harmless, nasty = Page(write_page(document(plain))), Page(write_page(document(NASTY)))

    def skeleton(page: Page) -> list[tuple[str, list[str]]]:
        return [(tag, list(attributes)) for tag, attributes in page.tags]

    assert skeleton(nasty) == skeleton(harmless)
    one_line = " ".join(NASTY.split())  # as in a paragraph
    found = sum(one_line in " ".join(text.split()) for text in nasty.texts)
    assert found == sum(plain in text for text in harmless.texts) > 10
    assert NASTY in nasty.attributes("alt")
    copies, curves, trials = (unpacked(text) for tag, text in nasty.raw[:-1] if tag == "script")
    assert curves["variants"][0]["label"] == NASTY and trials["rows"][1] == ["trial1", "1", NASTY]
    assert set(copies) == {"LaTeX", "Markdown", "CSV"} and NASTY.replace('"', '""') in copies["CSV"]


def test_what_is_packed_cannot_end_its_element_and_reads_back() -> None:
    value = {"label": NASTY, "error": [1.5, None]}
    text = module.pack(value)
    assert re.fullmatch(r"[A-Za-z0-9+/=]+", text) and unpacked(text) == value
    with pytest.raises(ValueError, match="JSON"):
        module.pack([math.nan])


def test_the_same_reports_give_the_same_bytes() -> None:
    assert write_page(document(), document(name="other")) == write_page(document(), document(name="other"))


def test_tables_and_figures_need_no_script() -> None:
    page = Page(write_page(document()))
    assert {"WRN-16-1 plain", "4.10", "Network", "Title plain"} <= set(page.texts)
    (image,) = [attributes for tag, attributes in page.tags if tag == "img"]
    assert unquote(image["src"].removeprefix("data:image/svg+xml,")).encode() == SVG
    scopes = [attributes["scope"] for tag, attributes in page.tags if tag == "th"]
    assert scopes == ["col", "col", "row", "row"]
    assert [tag for tag, _ in page.tags].count("caption") == 1


def test_cells_say_what_they_sort_by_and_which_trials_are_behind_them() -> None:
    page = Page(write_page(document()))
    cells = [attributes for tag, attributes in page.tags if tag == "td" and "data-trials" in attributes]
    assert [cell["data-trials"] for cell in cells] == ["0 1", "2"]  # rows of the provenance
    assert [cell.get("data-value") for cell in cells] == ["4.1", None]


def test_a_cell_of_unknown_trials_is_our_mistake() -> None:
    with pytest.raises(AssertionError, match="trial2"):
        write_page(without(document(), Provenance))


def test_footnotes_are_marked() -> None:
    rows = [[words("net", "a"), number(1, mark="b,c")]]
    table = make_table(
        [Column("x", False), Column("y")], rows, caption="caption", notes=[("a", "one"), ("c", "three: four")]
    )
    html = write_page(replace(document(), tables=(table,))).decode()
    assert "<li><sup>a</sup> one</li>\n<li><sup>c</sup> three: four</li>" in html and "<sup>b,c</sup>" in html


@pytest.mark.parametrize("several", [False, True])
def test_a_study_at_another_scale_says_so_once_by_its_title(several: bool) -> None:
    small = document()
    html = write_page(small, *([document(name="full", badge="")] if several else [])).decode()
    label = '<span class="scale">small scale: 12 epochs plain</span>'
    article = html[html.index("<article") : html.index("</article>")]
    assert label in article[article.index("Title plain") : article.index("<section")]
    assert article.count(label) == 1 and html.count(label) == 1 + several  # once more in the index
    heading = re.search(r"<h(\d)>Title", html)
    assert heading and heading[1] == ("2" if several else "1")


def test_the_finding_and_the_main_figure_come_first_then_table_conclusions_notes_and_the_rest() -> None:
    more = make_table([Column("Class", False), Column("Images")], [["cat", "5"], ["dog", "6"]], title="Image files")
    known = document()
    known = replace(known, tables=(*known.tables, more), finding="It works.", main_figure="errors", about="The setting.")
    known = replace(known, sections=(*known.sections[2:], *known.sections[:2]))  # whatever order they come in
    html = write_page(known).decode()
    article = html[html.index("<article") :]
    parts = (
        "Title plain", "It works.</p>", "<img", "4.10", "The setting.", "What is said", "and more", "Image files",
        ">dog<", "Curves</h2>", "Made with</h2>",
    )  # fmt: skip
    places = [article.index(part) for part in parts]
    assert places == sorted(places)
    assert 'alt="plain. It works."' in article and article.count("<img") == 1  # not again among the figures


def test_the_index_has_findings_progress_and_the_order_of_the_paper() -> None:
    sources = {"WRN, Table 10": "c", "": "e", "WRN, Figure 2": "d", "WRN, Table 2": "b", "Alone, Table 9": "a"}
    made = [replace(document(name=name), source=source, title=name) for source, name in sources.items()]
    made[3] = replace(made[3], finding="B wins.", progress=(3, 5), main_figure="errors")
    page = Page(write_page(*made))
    assert [attributes["id"] for tag, attributes in page.tags if tag == "article"] == ["a", "b", "c", "d", "e"]
    index = write_page(*made).decode().partition("</nav>")[0]
    assert "B wins." in index and "3 of 5 trials" in index and '<progress value="3" max="5">' in index
    assert page.attributes("data-of") == ["b.errors"]  # the figure is in the page once


def test_a_column_that_says_nothing_is_a_sentence_and_one_to_fold_is_marked() -> None:
    columns = [Column("Network", False), Column("Recipe", False), Column("N", fold="always"), Column("Error", fold="never")]
    table = make_table(columns, [["a", "fast", "3", "5"], ["b", "fast", "4", "5"]], caption="Errors.")
    html = write_page(replace(without(document(), Provenance), tables=(table,))).decode()
    assert "Errors. The same in every row: Recipe fast." in html and ">fast<" not in html
    assert html.count('<td class="number folded">') == 2 and html.count('<td class="number">5</td>') == 2


def test_long_tables_and_lists_are_folded() -> None:
    rows = [[f"net {n}", str(n)] for n in range(module.MOST_ROWS + 2)]
    table = make_table([Column("Network", False), Column("Error")], rows)
    said = make_sections(("Said", Sentences(tuple(f"Sentence {n}." for n in range(module.MOST_SENTENCES + 3)))))
    html = write_page(replace(document(), tables=(table,), sections=said)).decode()
    assert html.count('<tr class="more">') == 2 and "<summary>3 more</summary>" in html
    assert "Sentence 14." in html


def test_figures_are_small_and_their_letters_stay() -> None:
    svg = b"""<?xml version="1.0"?><!DOCTYPE svg PUBLIC "x" "y"><svg xmlns="http://www.w3.org/2000/svg"><metadata>m</metadata>
    <!-- a "b" --><g transform="scale(0.015625)"><path d="M 1.234567 2.5 L 3 4.999999"/></g></svg>"""
    (src,) = Page(module.write_page([(document(), {"errors": svg})])).attributes("src")
    drawn = unquote(src.removeprefix("data:image/svg+xml,"))
    assert 'd="M 1.23 2.5 L 3 4.99"' in drawn and "scale(0.015625)" in drawn
    assert (
        not set('<>#%"') & set(src.partition(",")[2].replace("%", "")) and "<!--" not in drawn and "metadata" not in drawn
    )
    (src,) = Page(module.write_page([(document(), {"errors": b"RIFF...."})])).attributes("src")
    assert src == "data:image/webp;base64,UklGRi4uLi4="


def test_without_a_scale_nothing_is_labelled() -> None:
    assert 'class="scale"' not in write_page(document(badge="")).decode()


def test_several_studies_have_a_list_and_an_anchor_each() -> None:
    page = Page(write_page(document(name="a b"), document(name="a-b"), document(name="c")))
    articles = [attributes["id"] for tag, attributes in page.tags if tag == "article"]
    assert articles == ["a-b", "a-b-2", "c"]
    assert [url for url in page.attributes("href") if url.startswith("#")] == ["#main", "#a-b", "#a-b-2", "#c"]
    ids = page.attributes("id")
    assert len(set(ids)) == len(ids)
    assert set(page.attributes("aria-labelledby")) <= set(ids)


def test_what_a_report_does_not_have_leaves_no_section() -> None:
    bare = make_sections(("Said", Sentences(())), ("Notes", Notes(" \n")), ("Curves", Curves(())), ("Figures", Figures({})))
    assert bare == ()
    nothing = Provenance((), make_table([Column("trial", False)], []), "nowhere", ())
    page = Page(write_page(replace(document(), tables=(), about="", sections=make_sections(("Made with", nothing)))))
    assert [tag for tag, _ in page.tags].count("section") == 0


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (Cell(26_412_345, "26.4 M"), "26412345"),
        (number(5.4321, percent), "5.4321"),
        (number(math.inf, percent), "Infinity"),
        (number(-0.3, lambda value: f"{value:.2f}"), "-0.3"),
        (NO_VALUE, None),
        (words("12 Monday"), None),
        (Cell(True, "True"), None),
    ],
)
def test_a_numeric_cell_is_sorted_by_its_value(cell: Cell, value: str | None) -> None:
    table = make_table([Column("Network", False), Column("Count")], [["net", cell]])
    page = Page(write_page(replace(without(document(), Provenance), tables=(table,))))
    (found,) = [attributes for tag, attributes in page.tags if tag == "td"]
    assert found.get("data-value") == value


def test_the_median_curve_counts_a_seed_that_diverged_as_worse_than_any() -> None:
    seeds = [
        curve(0, [60.0, 10.0, 4.0, 3.0], [2.0, 1.0, 0.5, 0.4]),
        curve(1, [50.0, None, None], [1.0, 3.0, None]),
        curve(2, [70.0, 20.0, None], [3.0, 2.0, 9.0]),
    ]
    median = median_curve(seeds)
    assert median.epochs == [1, 2, 3, 4]
    assert median.values == [60.0, 20.0, None, None]
    assert median.train_loss == [2.0, 2.0, 9.0, None]


def test_a_variant_has_its_median_last_and_an_imported_curve_stays_by_itself() -> None:
    curves = [
        curve(0, [4.0, 3.0]),
        curve(1, [6.123456, 5.0]),
        curve(None, [9.0], imported=True, label="log"),
        curve(0, [8.0, math.nan], variant=13, label="last"),
    ]
    looks = {label: (f"#{label}", "o") for label in ("WRN-16-1", "log", "last")}
    found = curve_data(curves, looks, {"trial0": 0, "trial1": 7})
    ours, log, last = found["variants"]
    assert [(line["name"], line["bold"], line["trial"]) for line in ours["lines"]] == [
        ("seed 0", False, 0),
        ("seed 1", False, 7),
        ("median of 2 seeds", True, None),
    ]
    assert ours["lines"][1]["error"] == [6.123, 5.0] and ours["lines"][1]["epoch"] == [1, 2]
    assert ours["lines"][2]["error"] == [5.062, 4.0]
    assert (log["imported"], [(line["name"], line["bold"]) for line in log["lines"]]) == (
        True,
        [("the authors' log", True)],
    )
    assert (last["number"], last["colour"], last["lines"][0]["bold"]) == (13, "#last", True)
    assert last["lines"][0]["error"] == [8.0, None] and found["every"] == 1


def test_many_curves_are_thinned_by_epochs_and_keep_their_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ablate.report.writers.page_curves.MOST_POINTS", 30)
    curves = [curve(seed, [float(epoch) for epoch in range(1, 11)]) for seed in range(4)]  # and their median: 50 points
    found = curve_data(curves, {"WRN-16-1": ("#000", "o")}, {})
    (variant,) = found["variants"]
    assert found["every"] == 2
    assert {tuple(line["epoch"]) for line in variant["lines"]} == {(1, 2, 4, 6, 8, 10)}
    assert variant["lines"][-1]["error"] == [1, 2, 4, 6, 8, 10]
