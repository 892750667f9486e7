"""The documentation as a site: it builds without a warning, holds every page, and asks nobody else for anything."""

import contextlib
import importlib
import importlib.util
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pytest
import tyro

import gymspotter.client
from gymspotter.cli import VERBS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
# What a browser fetches by itself when it shows a page; a link is fetched by whoever follows it.
LOADING = {
    "script": "src", "img": "src", "source": "src", "iframe": "src", "video": "src", "audio": "src", "embed": "src",
    "object": "data", "link": "href",
}  # fmt: skip
NOT_LOADED = {"canonical", "prev", "next", "alternate", "license"}


def hook(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / "hooks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built by the command that `make docs` runs; a warning (a broken link, say) fails it."""
    pytest.importorskip("material", reason="needs mkdocs-material, which the extra dev installs")
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    assert built.returncode == 0, built.stdout + built.stderr
    return out


class Page(HTMLParser):
    """What a page loads, its pictures, its headings' ids and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.pictures: list[tuple[str, str]] = []
        self.ids: set[str] = set()
        self.html = path.read_text(encoding="utf-8")
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        self.ids.add(said.get("id", ""))
        if tag in LOADING and said.get("rel", "") not in NOT_LOADED:
            self.loads.append(said.get(LOADING[tag], ""))
        self.loads += [part.split()[0] for part in said.get("srcset", "").split(",") if part.strip()]
        if tag == "img":
            self.pictures.append((said.get("src", ""), said.get("alt", "")))


def pages(site: Path) -> Iterator[tuple[str, Page]]:
    for path in sorted(site.rglob("*.html")):
        yield path.relative_to(site).as_posix(), Page(path)


def test_no_page_asks_a_foreign_host_for_anything(site: Path) -> None:
    foreign = [(name, url) for name, page in pages(site) for url in page.loads if re.match(r"(https?:)?//", url)]
    assert not foreign
    for sheet in site.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//[^)'\"]*", sheet.read_text(encoding="utf-8"))


def test_scripts_that_would_fetch_from_elsewhere_are_never_asked_to(site: Path) -> None:
    # The theme's script fetches Mermaid from a CDN for a block of that class, and stars for a repository's link.
    for name, page in pages(site):
        assert 'class="mermaid"' not in page.html, name
        assert 'data-md-component="source"' not in page.html, name


def test_every_page_is_in_the_navigation_and_on_the_site(site: Path) -> None:
    # A page that the navigation lacks, and one that it has in vain, are warnings, which end the build.
    home = (site / "index.html").read_text(encoding="utf-8")
    for page in DOCS.rglob("*.md"):
        name = page.relative_to(DOCS).with_suffix("").as_posix().removesuffix("index").rstrip("/")
        assert (site / name / "index.html").exists(), name
        assert not name or f'href="{name}/"' in home, name


def test_every_picture_is_there_and_says_what_it_shows(site: Path) -> None:
    seen = 0
    for name, page in pages(site):
        for source, alt in page.pictures:
            # 404.html may be shown for any address, so it names things from the root.
            place = site / source.lstrip("/") if source.startswith("/") else (site / name).parent / source
            assert place.resolve().is_file(), (name, source)
            if not Path(source).name.startswith("logo"):
                assert len(alt) > 10, (name, source)
                seen += 1
    assert seen >= 8


@pytest.mark.parametrize("verb", VERBS)
def test_the_command_line_reference_has_every_option(site: Path, verb: str) -> None:
    page = Page(site / "reference" / "commands" / "index.html")
    assert verb in page.ids
    start = page.html.index(f'<h2 id="{verb}"')
    end = page.html.find("<h2 id=", start + 1)
    section = page.html[start : end if end > 0 else None]
    module, options, _ = VERBS[verb]
    words = re.findall(r"--[a-z0-9][a-z0-9.-]*", help_of(getattr(importlib.import_module(module), options)))
    for option in set(words) - {"--help"}:
        assert option in section or option.replace("--no-", "--", 1) in section, option


def help_of(options: type) -> str:
    """The flags that the help of a verb begins its lines with."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit):
        tyro.cli(options, args=["--help"], use_underscores=False)
    return "\n".join(re.findall(r"^│ (--.*)$", out.getvalue(), re.MULTILINE))


def test_the_reference_has_every_public_name_of_the_clients(site: Path) -> None:
    page = Page(site / "reference" / "client" / "index.html")
    documented = {name.rsplit(".", 1)[-1] for name in page.ids if name.startswith("gymspotter.client")}
    constants = {name for name in gymspotter.client.__all__ if name.isupper()}
    assert set(gymspotter.client.__all__) - {"LiveEvent"} - constants <= documented


def test_a_link_out_of_the_docs_is_text_or_leads_to_the_repository() -> None:
    rewrite = hook("links").rewrite
    code = "`[x](../y)`\n```\n[a](../b)\n```\n"
    text = f"[this](models.md), [the gate](../Makefile#L3), [all](../benchmarks) {code}"
    assert rewrite(text, "tune.md", DOCS, "") == f"[this](models.md), the gate, all {code}"
    gate, all_of_it = "https://host/gym/blob/main/Makefile#L3", "https://host/gym/tree/main/benchmarks"
    assert rewrite(text, "tune.md", DOCS, "https://host/gym/") == (
        f"[this](models.md), [the gate]({gate}), [all]({all_of_it}) {code}"
    )
    # From a page one folder down, ../ does not leave the docs, and ../../ does.
    assert rewrite("[a](../tune.md) [b](../../README.md)", "guides/sweeps.md", DOCS, "") == "[a](../tune.md) b"


def test_a_link_to_what_is_not_in_the_repository_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    rewrite = hook("links").rewrite
    assert rewrite("[gone](../nowhere.py)", "tune.md", DOCS, "") == "gone"
    assert "tune.md links to ../nowhere.py, which is not there." in caplog.text
