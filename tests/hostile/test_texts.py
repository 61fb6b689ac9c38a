"""Texts that would be code in what they are written into: HTML, LaTeX, Markdown, CSV, SVG, Rich, a terminal."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import orjson
import pytest
from recorded import PROVENANCE, recorded
from rich.console import Console
from typer.testing import CliRunner

from ablate.api import load_experiment
from ablate.commands.cli import app
from ablate.commands.options import print_json, say
from ablate.commands.status_text import status_text
from ablate.errors import UNPRINTABLE, AblateError, RecordError, RunError, StudyError, allowed, printable
from ablate.network_experiment import Experiment
from ablate.records.attempts import read_failure, write_failure
from ablate.records.records import EPOCHS_HASH, read_record
from ablate.records.sealed import HASH
from ablate.report.table import Column, make_table
from ablate.report.writers.csv import to_csv
from ablate.report.writers.latex import latex_escape, table_latex
from ablate.report.writers.markdown import prose, table_markdown
from ablate.report.writers.plain import table_text
from ablate.schedule.progress import Progress
from ablate.search.storage import check_url, hide_password

NASTY = (
    "<script>alert(1)</script> <!-- ]]> \\input{/etc/passwd} $\\frac{1}{0}$ & 100% =cmd|' /C calc'!A0 [red]x[/red] "
    "[link=https://x]y[/link] ![z](javascript:1) _a_ `b` | # ~ ^ {\"'}"
)
ACTING = "\x1b]0;owned\x07\x1b[31m\x9b1m\r\b\u202e\u2066\u2028"


def quoted(text: str) -> str:
    return json.dumps(text)


STUDY = f"""\
name: invented
title: {quoted(NASTY)}
source: {quoted("=1 " + NASTY[:150])}
notes: {quoted(NASTY)}
data: {{name: image_folder, root: x, title: {quoted("=<b>&$x$")}, classes: 10, image_size: 32, copy_of: cifar10}}
recipe: {{base: wrn_cifar, epochs: 2, batch_size: 32}}
seeds: 2
variants: [{{net: [WRN-10-0.25, "WRN-10-0.25-B(3,1)"], stands_for: ["=cmd|x", "+1<i>"]}}]
baseline: WRN-10-0.25
panels: {{{quoted("$x^2$ <i>" + NASTY[:80])}: [WRN-10-0.25], "@SUM(1)": ["WRN-10-0.25-B(3,1)"]}}
published:
  - source: {quoted(NASTY[:190])}
    note: {quoted(NASTY)}
    rows:
      - {{label: "=cmd|x", cifar10: 5, note: {quoted(NASTY)}, other: {{"=H <u>": "=1"}}}}
      - {{label: "+1<i>", cifar10: 6}}
      - {{label: "[@x", not_run: {quoted("-1+" + NASTY)}}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nasty")
    made = {**PROVENANCE, "device": f"=<b>{NASTY}"}
    experiment = recorded(folder, STUDY, {0: [10.0, 11.0], 1: [12.0, 13.0]})
    for trial in experiment.trials():
        path = experiment.runs / trial.id / "result.json"
        path.write_bytes(orjson.dumps({**unsealed(path), "provenance": made}))
    load_experiment(folder / "invented.yaml", runs=folder / "runs").report().write(folder)
    return folder / "invented"


def unsealed(path: Path) -> dict[str, Any]:
    """A result as an earlier version wrote it, without the hashes that show a change."""
    return {key: value for key, value in orjson.loads(path.read_bytes()).items() if key not in (HASH, EPOCHS_HASH)}


class Elements(HTMLParser):
    """The elements of a page and their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_html_is_escaped(folder: Path) -> None:
    text = (folder / "index.html").read_text()
    elements = Elements(text).found
    assert [attributes for tag, attributes in elements if tag == "script"][-1] == {}
    assert all(attributes["type"] == "text/plain" for tag, attributes in elements[:-1] if tag == "script")
    assert not {"i", "u"} & {tag for tag, _ in elements}
    assert not [key for _, attributes in elements for key in attributes if key.startswith("on")]
    links = [value or "" for _, attributes in elements for key, value in attributes.items() if key in ("src", "href")]
    assert links and all(re.match(r"data:(image/svg\+xml,|,)|#", link) for link in links)


def test_markdown_has_no_html_and_no_link_of_anybody_elses(folder: Path) -> None:
    text = (folder / "table.md").read_text()
    plain = re.sub(r"\\.", "", text)  # what is escaped
    assert set(re.findall(r"<[a-zA-Z/!?][^>]*>", plain)) == {"<sup>", "</sup>"}
    assert set(re.findall(r"\]\(([^)]*)\)", re.sub(r"\\.", "", text.replace("\\[z](", "")))) == {
        "curves.svg", "errors.svg", "parameters.svg", "trials.csv"
    }  # fmt: skip
    assert text.splitlines()[0].startswith(r"# \<script>")


def test_latex_is_escaped(folder: Path) -> None:
    text = (folder / "table.tex").read_text()
    assert r"\input" not in text and r"\frac" not in text and r"\textbackslash{}input\{/etc/passwd\}" in text
    assert not re.search(r"(?<!\\)[&%#_^~]", re.sub(r" & |\\label.*|% needs.*|\{!\}\{%$", "", text, flags=re.MULTILINE))
    assert not re.search(r"^ *[\[*]", text, re.MULTILINE)  # after the end of a row both would be its arguments
    assert "{[}@x" in text
    assert latex_escape("a\n\nb\x1b") == r"a  b\textbackslash{}x1b"


@pytest.mark.parametrize("name", ["table.csv", "trials.csv"])
def test_no_cell_of_a_csv_is_a_formula(folder: Path, name: str) -> None:
    rows = list(csv.reader(io.StringIO((folder / name).read_text())))
    cells = [cell for row in rows for cell in row if cell]
    assert not [cell for cell in cells if cell[0] in "=+@\t\r" or (cell[0] == "-" and not re.fullmatch(r"-[\d.e-]+", cell))]
    assert any(cell.startswith("'=") for cell in cells)


def test_numbers_of_a_csv_stay_numbers() -> None:
    import pandas as pd

    frame = pd.DataFrame({"=a": [1, None, -2], "b": ["-0.5", "+1e-3", "-x"], "c": [None, 3, "@d"]}, dtype=object)
    assert to_csv(frame).decode().splitlines() == ["'=a,b,c", "1,-0.5,", ",+1e-3,3", "-2,'-x,'@d"]


def test_svg_is_well_formed_and_holds_no_script(folder: Path) -> None:
    for path in folder.glob("*.svg"):
        tree = xml.etree.ElementTree.parse(path)
        assert not {element.tag.rpartition("}")[2] for element in tree.iter()} & {"script", "a", "foreignObject", "image"}
        keys = {key.rpartition("}")[2] for element in tree.iter() for key in element.attrib}
        assert not [key for key in keys if key.startswith("on")]


def test_a_table_for_a_terminal_is_one_line_a_row() -> None:
    table = make_table([Column("a\x1b[1m", False)], [["b\nc\r"]], notes=[("x", "d\x07")])
    for text in (table_markdown(table), table_text(table), table_latex(table, "e\x1b")):
        assert not UNPRINTABLE.search(text.replace("\n", "")), text
    assert table_text(table).count("\n") == 5
    assert prose("<b> 1 < 2 [x](y)\n\n\\<b>") == "\\<b> 1 < 2 \\[x](y)\n\n\\\\\\<b>"


@pytest.mark.parametrize("letter", UNPRINTABLE.findall(ACTING))
def test_a_study_holds_nothing_that_acts_on_a_terminal(tmp_path: Path, letter: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY.replace("name: invented", f"name: {quoted('a' + letter)}"))
    with pytest.raises(StudyError, match=rf"1:\d+: the character U\+{ord(letter):04X}"):
        load_experiment(path)


def test_errors_are_one_line_whatever_they_quote(capsys: pytest.CaptureFixture[str]) -> None:
    text = str(AblateError(f"a{ACTING}b\nc\ud800" + "x" * 10**6))
    assert text.startswith(r"a\x1b]0;owned\x07") and r"b\nc\ud800x" in text and len(text) == 4000
    assert printable("“Größe” – 4 µs, עברית") == "“Größe” – 4 µs, עברית"
    assert len(allowed("x", map(str, range(10**5)))) < 2000
    for found, letter in (("s\u0435eds", "U+0435 CYRILLIC SMALL LETTER IE"), ("seeds\u200b", "U+200B ZERO WIDTH SPACE")):
        assert allowed(found, ["seeds"]) == f"did you mean 'seeds', without {letter}? allowed: seeds"
    assert allowed("größe", ["größen"]) == "did you mean 'größen'? allowed: größen"
    assert allowed("\u0433lip", ["none"]) == "it has U+0433 CYRILLIC SMALL LETTER GHE; allowed: none"
    say(f"a{ACTING}\nb")
    assert not UNPRINTABLE.search(capsys.readouterr().err.replace("\n", ""))
    print_json({"file": "a\udcff"})
    assert json.loads(capsys.readouterr().out) == {"file": "a\udcff"}


@pytest.mark.parametrize(
    ("variant", "letter"),
    [
        ("net: 'WRN-16-1-\u0412(3,3)'", "U+0412 CYRILLIC CAPITAL LETTER VE"),
        ("net: WRN-\uff11\uff16-1", "U+FF11 FULLWIDTH DIGIT ONE"),
        ("net: WRN\u201016-1", "U+2010 HYPHEN"),
        ("net: WRN-16-1-dr\u043epout0.3", "U+043E CYRILLIC SMALL LETTER O"),
        ("grid: {block: ['\u0412(3,3)'], k: 1, depth: 16}", "U+0412 CYRILLIC CAPITAL LETTER VE"),
        ("grid: {block: ['B(3,\uff13)'], k: 1, depth: 16}", "U+FF13 FULLWIDTH DIGIT THREE"),
        ("grid: {net: WRN-16-1, norm: [bat\u0441h]}", "U+0441 CYRILLIC SMALL LETTER ES"),
        ("grid: {net: WRN-16-1, dropout: [\u0966.3]}", "U+0966 DEVANAGARI DIGIT ZERO"),
        ("grid: {net: WRN-16-1, recipe.lr: [\uff10.1]}", "U+FF10 FULLWIDTH DIGIT ZERO"),
        ("grid: {net: WRN-16-1, data.augment: [[{crop: \uff14}]]}", "U+FF14 FULLWIDTH DIGIT FOUR"),
    ],
)
def test_a_letter_of_another_script_is_named(tmp_path: Path, variant: str, letter: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(
        f"name: letters\ndata: digits\nrecipe: {{base: wrn_cifar, epochs: 1}}\nseeds: 1\nvariants: [{{{variant}}}]\n"
    )
    with pytest.raises(StudyError, match=re.escape(f"', with {letter}; ")):
        load_experiment(path)


def test_causes_of_failures_and_provenance_cannot_act_on_a_terminal(tmp_path: Path) -> None:
    experiment: Experiment = recorded(tmp_path, STUDY, {0: [10.0]})
    first, second = experiment.trials()[:2]
    write_failure(experiment.runs / second.id, f"failed {ACTING}", 1)
    assert not UNPRINTABLE.search(read_failure(experiment.runs / second.id) or "")
    assert not UNPRINTABLE.search(status_text(experiment.status()).replace("\n", ""))
    path = experiment.runs / first.id / "result.json"
    result = unsealed(path)
    for changes in ({"provenance": {**PROVENANCE, "device": ACTING}}, {"data_digest": ACTING}, {"data_digest": ["x"]}):
        path.write_bytes(orjson.dumps({**result, **changes}))
        with pytest.raises(RecordError, match=r"result\.json: (provenance\.device|data_digest): found"):
            read_record(experiment.runs, first.id)


def test_rich_markup_is_text() -> None:
    out = io.StringIO()
    progress = Progress([], 0, ["cpu"], Console(file=out, width=300), False)
    progress.say("[red]x[/red] [link=https://x]y[/link] [/nothing]")
    assert out.getvalue() == "[red]x[/red] [link=https://x]y[/link] [/nothing]\n"


@pytest.mark.parametrize("command", ["plan", "status", "show", "draw", "report"])
def test_commands_print_nothing_that_acts(tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("study.yaml").write_text(STUDY.replace("seeds: 2", "seeds: 0").replace("panels", "# panels"))
    subject = f"WRN{ACTING}" if command in ("show", "draw") else "study.yaml"
    done = CliRunner().invoke(app, [command, subject])
    assert not UNPRINTABLE.search((done.output + str(done.exception or "")).replace("\n", ""))
    assert (done.exit_code == 0) == (subject == "study.yaml"), done.output


SECRETS = ["geheim", "ge%40heim", "ge:heim", "ge.heim!", "a" * 40, "heim$*()+,;="]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "form",
    ["postgresql://u:{}@h/d", "mysql+x://:{}@h:1", "postgresql://h/d?user=u&password={}&x=1", "x://h?sslpassword={}"],
)
def test_a_url_that_is_taken_shows_no_password(form: str, secret: str) -> None:
    url = form.format(secret)
    try:
        check_url(url)
    except RunError as error:
        assert secret not in str(error)
    for text in (url, f"cannot reach '{url}', not there", f'("{url}")'):
        assert secret not in hide_password(text)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:ge'heim@h/d", 'postgresql://u:ge"heim@h/d', "postgresql://u:@/geheim@h/d", "postgresql://u:geheim",
        "postgresql://u:ge#heim@h/d", "postgresql://u:ge@heim@h",
        "postgresql://h/d?password=ge&heim", "postgresql://u:ge heim@h",
    ],
)  # fmt: skip
def test_a_url_of_which_it_is_not_sure_what_is_secret_is_refused_unseen(url: str) -> None:
    with pytest.raises(RunError, match=r"storage postgresql://\*\*\*: not a URL such as") as error:
        check_url(url)
    assert "heim" not in str(error.value)


def test_urls_and_paths_that_are_taken() -> None:
    taken = (
        "sqlite:///a b@c/search.db", "sqlite:////a/b.db", "sqlite://", "journal.log", "/a/b@c:d", "postgresql://u@h/d",
        "postgresql+psycopg2://u:p%40x@[::1]:5432/d?sslmode=require&connect_timeout=3", "mysql://10.0.0.1/d",
    )  # fmt: skip
    assert [check_url(url) for url in taken] == list(taken)


def test_provenance_has_nothing_of_who_and_where(monkeypatch: pytest.MonkeyPatch) -> None:
    import getpass
    import platform

    import torch

    from ablate.train.provenance import provenance

    for name in ("USER", "HOME", "ABLATE_STORAGE", "TOKEN"):
        monkeypatch.setenv(name, "geheim")
    made = provenance(torch.device("cpu"))
    known = {"ablate", "revision", "python", "torch", "torchvision", "numpy", "platform", "device", "threads"}
    assert set(made) == known
    text = json.dumps(made)
    assert "geheim" not in text and str(Path.cwd()) not in text and platform.node() not in text
    assert not any(re.search(rf"\b{re.escape(getpass.getuser())}\b", str(value)) for value in made.values())
