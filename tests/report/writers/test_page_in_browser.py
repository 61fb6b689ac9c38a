"""The page in a real Chromium. Debian: apt-get install chromium. Where ABLATE_REQUIRE_CHROMIUM is set, it must be there."""

from __future__ import annotations

import io
import math
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ablate.report.document import (
    Curves,
    Document,
    Figures,
    Notes,
    ParallelAxes,
    Provenance,
    Sentences,
    TrialCurve,
    make_sections,
)
from ablate.report.numbers import percent
from ablate.report.table import Cell, Column, make_table, number, words
from ablate.report.writers.page import write_page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("ABLATE_REQUIRE_CHROMIUM"),
    reason="needs Chromium (apt-get install chromium); ABLATE_REQUIRE_CHROMIUM=1 makes this a failure",
)
NASTY = "</script><img src=x onerror=\"document.title='owned'\">"
ERRORS: dict[str, tuple[float, Cell]] = {
    "WRN-10-1": (30.0, Cell(180_538, "180,538")), "WRN-9-1": (4.5, Cell(26_400_000, "26.4 M")),
    "wrn-28-1": (math.inf, Cell(None, "–")),
}  # fmt: skip
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="900" height="90"><path d="M0 0H900V90" style="fill: red"/></svg>'
DARK, LIGHT = "rgb(20, 23, 26)", "rgb(255, 255, 255)"


def document(name: str) -> Document:
    """Three variants. The first has seeds 0, 1, 2, whose test errors are flat at 20, 30 and 40%; the third diverged."""
    trials = ("id0", "id1", "id2")
    columns = [
        Column("trial", False),
        Column("seed"),
        Column("test error, %"),
        Column("device", False),
        Column("note", False),
    ]
    provenance = [[words(one), number(n), number(20 + 10 * n), words("CPU"), words(NASTY)] for n, one in enumerate(trials)]
    rows = [
        [
            words(net),
            number(error, percent, "a", trials=trials[::-1] if error == 30 else ()),
            parameters,
            *(words(f"a long column {net}") for _ in range(11)),
        ]
        for net, (error, parameters) in ERRORS.items()
    ]
    shown = [Column("Network", False), Column("Median, %"), Column("Parameters")]
    shown += [Column(f"Column{n}", False) for n in range(11)]
    shown[3] = Column("Column0", False, fold="always")
    table = make_table(shown, rows, caption="Test error", notes=[("a", "12 epochs")])
    epochs = list(range(1, 201))
    curves = [
        TrialCurve(0, "WRN-10-1", seed, epochs, [2.0 / epoch for epoch in epochs], [20.0 + 10 * seed] * 200, f"id{seed}")
        for seed in range(3)
    ]
    curves.append(TrialCurve(1, NASTY, 7, epochs, [1.0] * 200, [10.0] * 200, "other"))
    axes = ParallelAxes(("k", "depth", "block"), tuple((f"v{n}", (n, 10 * n, "B(3)"), 5.0 + n) for n in range(4)))
    made_with = Provenance(("ablate",), make_table(columns, provenance, caption="Every trial"), "", ())
    return Document(
        name, f"Title {NASTY}", "small scale", "WRN", "", (table,), (),
        make_sections(
            ("What can be said", Sentences(("A sentence.",))), ("Notes", Notes("A note.")),
            ("Curves", Curves(tuple(curves))), ("Axes", axes), ("Figures", Figures({"errors": "Errors"})),
            ("Made with", made_with),
        ),
    )  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    if CHROMIUM is None:
        pytest.fail("ABLATE_REQUIRE_CHROMIUM is set, but there is no Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_bytes(write_page([(document(name), {"errors": SVG}) for name in ("one", "two")]))
    return path.as_uri()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """The page at desktop width; in the end nothing may have been complained about, and nothing fetched."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        page, complaints, requests = context.new_page(), [], []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        open_page(page, address)
        yield page
        assert complaints == []
        fetched = [url for url in requests if not url.startswith(("data:", "blob:", "about:"))]
        assert {url.partition("#")[0] for url in fetched} == {address}


def column(page: Any, number: int) -> list[str]:
    found: list[str] = page.locator(f"#one .scroll >> nth=0 >> tbody tr > :nth-child({number})").all_text_contents()
    return [text.removesuffix("a") for text in found]


def open_page(browser_page: Any, url: str) -> None:
    browser_page.goto(url)
    browser_page.wait_for_selector("html[data-ready]")


def said(page: Any) -> str:
    """The second line of the box beside the curves: the seed and the epoch; empty without a box."""
    tip = page.locator("#one .tip")
    return tip.inner_text().split("\n")[1] if tip.is_visible() else ""


def press(page: Any, *keys: str) -> None:
    page.locator("#one .plot > svg").focus()
    for key in keys:
        page.keyboard.press(key)


def point_of_dot(page: Any) -> tuple[float, float]:
    """Where the point that the keyboard is at lies on the screen."""
    box = page.locator("#one .dot").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_texts_are_texts(page: Any) -> None:
    assert page.locator("#one > h2").text_content() == f"Title {NASTY}"
    assert page.title() == "2 ablation studies"
    assert page.locator("main img").count() == 2
    assert page.locator("#one figure img").evaluate("image => image.naturalWidth") == 900


def test_the_policy_holds(browser: Any, address: str) -> None:
    with browser.new_context() as context:
        page, complaints = context.new_page(), []
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(address)
        page.evaluate(
            """() => {
                const script = document.createElement("script");
                script.textContent = "window.owned = 1";
                document.body.append(script);
                document.body.setAttribute("style", "padding: 99px");
                new Image().src = "http://127.0.0.1:9/x.png";
            }"""
        )
        assert page.evaluate("window.owned") is None
        assert page.evaluate("getComputedStyle(document.body).paddingTop") != "99px"
        page.evaluate("0")  # what the console said comes before its answer
        assert len([text for text in complaints if "Content Security Policy" in text]) == 3


def test_numbers_sort_by_value_and_what_has_none_comes_last(page: Any) -> None:
    original = column(page, 3)
    button = page.get_by_role("button", name="Parameters").first
    head = page.locator("#one thead th >> nth=2")
    button.click()
    assert (column(page, 3), head.get_attribute("aria-sort")) == (["180,538", "26.4 M", "–"], "ascending")
    button.click()
    assert (column(page, 3), head.get_attribute("aria-sort")) == (["26.4 M", "180,538", "–"], "descending")
    page.get_by_role("button", name="Median").first.click()
    assert (column(page, 2), head.get_attribute("aria-sort")) == (["4.50", "30.00", "diverged"], None)
    button.press("Enter")
    button.press("Enter")
    button.press("Enter")
    assert (column(page, 3), page.locator("[aria-sort]").count()) == (original, 0)


def test_texts_sort_as_people_do(page: Any) -> None:
    button = page.get_by_role("button", name="Network").first
    button.click()
    assert column(page, 1) == ["WRN-9-1", "WRN-10-1", "wrn-28-1"]
    button.click()
    assert column(page, 1) == ["wrn-28-1", "WRN-10-1", "WRN-9-1"]


@pytest.mark.parametrize("key", ["", "Enter", "Space"])
def test_a_cell_shows_its_trials(page: Any, key: str) -> None:
    cell = page.locator("#one td[data-trials] button")
    if key:
        cell.focus()
        page.keyboard.press(key)
    else:
        cell.click()
    dialog = page.get_by_role("dialog")
    assert dialog.locator("h2").text_content() == "WRN-10-1"
    assert "Median, %: 30.00 · 3 trials" in dialog.text_content()
    rows = [row.split("\t") for row in dialog.locator("tbody").inner_text().strip().split("\n")]
    assert rows == [["id2", "2", "40"], ["id1", "1", "30"], ["id0", "0", "20"]]
    assert dialog.locator("dd").all_text_contents() == ["CPU", NASTY]  # what all have in common, once
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert cell.evaluate("button => button === document.activeElement")


def test_the_pointer_finds_a_seed(page: Any) -> None:
    press(page, "ArrowRight", "ArrowUp", "ArrowUp", "ArrowLeft", "ArrowLeft")
    assert said(page) == "seed 2, epoch 198"
    point = point_of_dot(page)
    press(page, "Escape")
    assert said(page) == "" and page.locator("#one canvas.faded").count() == 0
    page.mouse.move(*point)
    assert said(page) == "seed 2, epoch 198"
    tip = page.locator("#one .tip")
    tip.get_by_text("id2").wait_for()
    assert "test error 40 %" in tip.inner_text() and "training loss 0.0101 nats" in tip.inner_text()
    assert page.locator("#one .plot").get_attribute("data-bright") == "8"  # loss and error of three seeds and their median
    assert page.locator("#one canvas.faded").count() == 1
    page.mouse.move(5, 5)
    assert said(page) == "" and page.locator("#one .plot .curve").count() == 0


def test_a_click_pins_a_variant_until_the_next(page: Any) -> None:
    press(page, "ArrowRight", "ArrowUp")
    point = point_of_dot(page)
    press(page, "Escape")
    for bright in (8, 0):
        page.mouse.click(*point)
        page.mouse.move(5, 5)
        assert page.locator("#one .plot .curve").count() == bright


def test_the_keyboard_walks_along_and_between_curves(page: Any) -> None:
    found = []
    for key in ("ArrowRight", "ArrowLeft", "ArrowUp", "ArrowUp", "ArrowDown", "Enter", "Escape"):
        press(page, key)
        found.append(said(page))
    assert found[:2] == ["seed 7, epoch 200", "seed 7, epoch 199"]
    assert found[2:4] == ["median of 3 seeds, epoch 199", "seed 2, epoch 199"]
    assert found[4:] == [*["median of 3 seeds, epoch 199"] * 2, ""]


def test_the_legend_hides_and_the_controls_choose(page: Any) -> None:
    plot, one = page.locator("#one .plot"), page.locator("#one")

    def lines() -> int:
        return int(plot.get_attribute("data-lines"))

    def epochs() -> list[int]:
        return [int(text) for text in plot.locator(".epoch").all_text_contents()]

    assert lines() == 2 * (3 + 1 + 1)
    box = one.locator(".legend").get_by_label(NASTY)
    box.uncheck()
    assert lines() == 2 * 4
    box.check()
    one.get_by_label("training loss").uncheck()
    one.get_by_label("every seed").uncheck()
    assert lines() == 2  # the medians of the error
    assert plot.locator(".name").all_text_contents() == ["test error, %", "epoch"]
    one.get_by_label("epochs").fill("101")
    one.get_by_label("epochs").press("Enter")
    assert min(epochs()) > 100 and max(epochs()) == 200
    one.get_by_label("log axis").check()
    one.get_by_label("smoothing").select_option("strong")
    one.get_by_label("beside").select_option("two")
    one.locator(".legend li").nth(3).wait_for()
    assert lines() == 4 and one.locator(".legend li").count() == 4


def test_dragging_zooms_and_a_double_click_shows_all(page: Any) -> None:
    press(page, "ArrowRight")
    x, y = point_of_dot(page)
    press(page, "Escape")
    page.mouse.move(x - 300, y)
    page.mouse.down()
    page.mouse.move(x - 100, y - 20)
    page.mouse.up()
    start, end = (int(page.locator(f"#one [name={name}]").input_value()) for name in ("from", "to"))
    assert 1 < start < end < 200
    page.mouse.dblclick(x - 200, y)
    assert [page.locator(f"#one [name={name}]").input_value() for name in ("from", "to")] == ["1", "200"]


def test_a_view_is_in_the_address_and_comes_back(page: Any, address: str) -> None:
    one = page.locator("#one")
    one.get_by_label("log axis").check()
    one.get_by_label("all columns").check()
    page.get_by_role("button", name="Median").first.click()
    assert page.url == f"{address}#one?columns=1&sort=1+ascending&log=1"
    page.goto("about:blank")
    open_page(page, f"{address}#one?columns=1&sort=1+ascending&log=1&show1=0")
    assert (
        one.get_by_label("log axis").is_checked() and one.locator("table").first.evaluate("t => t.className") == "unfolded"
    )
    assert column(page, 2) == ["4.50", "30.00", "diverged"]
    page.wait_for_selector("#one .plot[data-lines='8']")
    page.wait_for_selector("#two .plot[data-lines='10']")  # the other study is as it was
    page.goto("about:blank")
    page.goto(address)
    page.wait_for_selector("html[data-ready]")


def test_a_filter_holds_for_table_curves_and_axes(page: Any) -> None:
    many = page.locator("#one .table").first
    assert many.locator("[type=search]").count() == 0  # three rows need none
    page.evaluate("""() => document.querySelector("#one").dispatchEvent(new CustomEvent("filter", {detail: "wrn 10"}))""")
    assert page.locator("#one tbody tr:visible th").all_text_contents() == ["WRN-10-1"]
    page.wait_for_selector("#one .plot[data-lines='8']")
    assert page.locator("#one .lines > .out").count() == 4


def test_columns_fold_and_tables_are_copied(page: Any) -> None:
    head = page.locator("#one thead th", has_text="Column0")
    assert not head.is_visible()
    page.locator("#one").get_by_label("all columns").check()
    assert head.is_visible()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#one summary", has_text="Copy").click()
    copied = {}
    for kind in ("LaTeX", "Markdown", "CSV"):
        page.locator("#one .menu").get_by_role("button", name=kind, exact=True).click()
        done = page.locator("#one .menu[open] button", has_text="Copied")
        done.wait_for()
        copied[kind] = page.evaluate("navigator.clipboard.readText()")
        done.wait_for(state="detached")
    assert copied["LaTeX"].startswith(r"\begin{table") and "| Network" in copied["Markdown"]
    assert copied["CSV"].splitlines()[1].startswith("WRN-10-1,30.0,180538,a long column")


def test_figures_and_plots_are_saved(page: Any) -> None:
    page.locator("#one figure summary").click()
    for kind, start in (("SVG", b"<svg "), ("PNG", b"\x89PNG")):
        with page.expect_download() as found:
            page.locator("#one figure").get_by_role("button", name=kind).click()
        assert found.value.suggested_filename == f"one-errors.{kind.lower()}"
        assert Path(found.value.path()).read_bytes().startswith(start)
    with page.expect_download() as found:
        page.locator("#one .controls").get_by_role("button", name="save").click()
    assert Path(found.value.path()).read_bytes().startswith(b"\x89PNG")


def test_few_stops_of_the_tab_key_lead_to_the_curves_and_arrows_walk_a_table(page: Any) -> None:
    names = []
    for _ in range(20):
        page.keyboard.press("Tab")
        names.append(
            page.evaluate("document.activeElement.closest('.curves') ? 'curves' : document.activeElement.textContent")
        )
    assert names[0] == "Skip to the results" and "curves" in names
    page.locator("#one thead button").first.focus()
    for key in ("ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement.textContent") == "30.00a"


def test_a_line_of_the_axes_is_chosen_by_dragging(page: Any) -> None:
    handle = page.locator("#one .handle").first
    handle.scroll_into_view_if_needed()
    box = handle.bounding_box()
    x = box["x"] + box["width"] / 2
    page.mouse.move(x, box["y"] + 0.6 * box["height"])
    page.mouse.down()
    page.mouse.move(x, box["y"] + box["height"] - 2)
    page.mouse.up()
    assert page.locator("#one .lines > .out").count() == 2 and "axes=0" in page.url
    assert page.locator("#one .lines > path > title").first.text_content() == "v3: test error, % 8"


def test_it_prints_whole_tables_and_no_controls(page: Any) -> None:
    from pypdf import PdfReader

    text = "\n".join(sheet.extract_text() for sheet in PdfReader(io.BytesIO(page.pdf(format="A4"))).pages)
    for expected in ("WRN-9-1", "180,538", "Column10", "A sentence.", "small scale"):
        assert expected in text
    assert "every seed" not in text
    page.emulate_media(media="print", color_scheme="dark")
    page.set_viewport_size({"width": 680, "height": 900})  # A4 between its margins
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == LIGHT


@pytest.mark.parametrize(("width", "wide"), [(1280, False), (1500, True), (1920, True)])
def test_a_block_stands_beside_the_main_figure_where_there_is_room(
    browser: Any, tmp_path: Path, width: int, wide: bool
) -> None:
    path = tmp_path / "index.html"
    path.write_bytes(write_page([(replace(document("one"), main_figure="errors"), {"errors": SVG})]))
    with browser.new_context(viewport={"width": width, "height": 900}) as context:
        open_page(page := context.new_page(), path.as_uri())
        main = page.locator(".main").bounding_box(timeout=5000)
        boxes = [section.bounding_box() for section in page.locator("section").all()]
        beside = [box for box in boxes if box["x"] >= main["x"] + main["width"] and box["y"] < main["y"] + main["height"]]
        assert len(beside) == wide and page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [320, 390])
def test_on_a_phone_only_the_tables_scroll_sideways(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    for _ in range(200):  # wait_for_function() evaluates a string, which the page forbids
        if page.evaluate("document.querySelector('.plot > svg')?.viewBox.baseVal.width < 400"):
            break
        page.wait_for_timeout(50)
    else:
        pytest.fail("the plot is not drawn anew for a narrow page")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.locator(".scroll").first.evaluate("box => box.scrollWidth > box.clientWidth")
    page.locator("#one td[data-trials] button").click()
    box = page.get_by_role("dialog").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= width


@pytest.mark.parametrize(("scheme", "paper"), [("light", LIGHT), ("dark", DARK)])
def test_light_and_dark_differ_and_can_both_be_read(page: Any, scheme: str, paper: str) -> None:
    page.emulate_media(color_scheme=scheme)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == paper
    turned = page.locator("figure img").first.evaluate("image => getComputedStyle(image).filter.includes('invert')")
    assert turned == (scheme == "dark")
    names = ("paper", "wash", "ink", "soft", "accent", "label", "label-ink")
    read = "name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`)"
    colours = {name: page.evaluate(read, name) for name in names}
    for text, under in (("ink", "paper"), ("ink", "wash"), ("soft", "paper"), ("accent", "paper"), ("label-ink", "label")):
        assert contrast(colours[text], colours[under]) >= 4.5, (text, under)


def test_without_javascript_there_are_tables_and_figures_and_no_dead_controls(browser: Any, address: str) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(address)
        assert page.get_by_text("180,538").first.is_visible()
        assert page.locator("#one figure img").is_visible()
        assert page.get_by_text("Needs JavaScript").first.is_visible()
        assert page.locator("button, input, select").count() == 0


def contrast(one: str, other: str) -> float:
    """WCAG 2's contrast ratio of two colours like "#1c1f22"."""

    def luminance(colour: str) -> float:
        parts = [int(colour.strip()[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
