import base64
import re

import pytest
from matplotlib.figure import Figure

from gymspotter.page import Markup, escape, facts, link, page, picture, plot, table, tag

EVIL = "<script>alert('x')</script> & \"more\""


def test_text_cannot_become_markup_wherever_it_enters():
    everywhere = [
        EVIL, tag("p", EVIL, title=EVIL), table([EVIL], [[EVIL]]), facts({EVIL: EVIL}), link(EVIL, f"http://{EVIL}"),
        picture(b"", "png", EVIL), plot(Figure(), EVIL, EVIL),
    ]  # fmt: skip
    made = page(EVIL, everywhere)
    assert "<script" not in made
    assert "alert(&#x27;x&#x27;)" in made
    assert '"more"' not in made


def test_markup_stays_as_it_is():
    assert escape(tag("b", 1)) == "<b>1</b>"
    assert tag("p", "a < ", Markup("<i>b</i>"), class_="n") == '<p class="n">a &lt; <i>b</i></p>'


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", "", "file:///etc/passwd"])
def test_only_web_addresses_become_links(address):
    assert link("run", address) == "run"
    assert link("run", "https://host/#/runs/1") == '<a href="https://host/#/runs/1">run</a>'


def test_a_table_sets_numbers_to_the_right_and_marks_rows():
    made = table(("name", "F1"), [("a", 1), ("b", 2)], numbers=(1,), marked=(1,))
    assert made.count('class="n"') == 3
    assert '<tr class="marked"><td>b</td><td class="n">2</td></tr>' in made
    with pytest.raises(ValueError, match="zip"):
        table(("name", "F1"), [("a",)])


def test_a_plot_is_a_picture_inside_the_page_with_a_description():
    figure = Figure(figsize=(2, 1))
    made = plot(figure, "a line", "What it says.")
    content = base64.b64decode(re.search(r"base64,([^\"]+)", made)[1])
    assert content.startswith(b"\x89PNG")
    assert 'alt="a line"' in made
    assert "<figcaption>What it says.</figcaption>" in made
    assert "figcaption" not in plot(figure, "a line")


def test_a_page_needs_nothing_else_and_follows_light_and_dark():
    made = page("t", [tag("p", "x")], style="p { color: red }")
    assert not re.search(r"(?:src|href|url)\s*[=(]", made)
    assert "prefers-color-scheme: dark" in made
    assert "width=device-width" in made
    assert "p { color: red }" in made
