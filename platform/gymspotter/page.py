"""HTML pages that need nothing else: style, tables and pictures inside one file, safe for whatever text they show.

What is not `Markup` is text and is escaped where it enters the page, so names and errors may hold anything.
"""

import base64
import html
import io
from collections.abc import Collection, Iterable, Mapping, Sequence

from matplotlib.figure import Figure

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --quiet: #656d76; --good: #1a7f37; --bad: #c4320a }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1080px; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem; margin-bottom: .2rem } h2 { font-size: 1.2rem; margin-top: 2.2rem }
p, figcaption { max-width: 46rem; overflow-wrap: anywhere }
.quiet, figcaption { color: var(--quiet); font-size: .87rem }
a { color: #0969da } code { overflow-wrap: anywhere }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: left; vertical-align: top; padding: .25rem .6rem; border-bottom: 1px solid var(--line) }
td.n, th.n { text-align: right } td.n { white-space: nowrap } th { vertical-align: bottom }
td .long { display: block; min-width: 17rem; color: var(--quiet); font-size: .87rem; overflow-wrap: anywhere }
tr.marked { background: var(--soft) } .scroll { overflow-x: auto }
.facts { display: flex; flex-wrap: wrap; gap: .6rem; margin: .8rem 0 }
.facts div { border: 1px solid var(--line); border-radius: 8px; padding: .5rem .9rem; overflow-wrap: anywhere }
.facts b { display: block; font-size: 1.3rem }
figure { margin: 1rem 0 } img { max-width: 100%; height: auto; border-radius: 6px }
img.plot { background: white }
pre { overflow-x: auto; padding: .6rem .9rem; background: var(--soft); border-radius: 6px; font-size: .85rem }
.right { color: var(--good) } .wrong { color: var(--bad) }
@media (prefers-color-scheme: dark) {
  :root { --quiet: #9198a1; --good: #3fb950; --bad: #ff7b54 } body { background: #14171c; color: #e6e8eb }
  a { color: #58a6ff } img.plot { filter: invert(.92) hue-rotate(180deg) }
}
"""


class Markup(str):
    """HTML that goes into a page as it is."""


def escape(value: object) -> Markup:
    """A value as HTML: markup as it is, all else as the text that it prints."""
    return value if isinstance(value, Markup) else Markup(html.escape(str(value)))


def page(title: str, parts: Iterable[object], *, style: str = "") -> str:
    """A whole page of ``parts``, below each other; ``style`` is added to the common one."""
    body = "".join(escape(part) for part in parts)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{_STYLE}{style}</style></head><body>{body}</body></html>"
    )


def tag(name: str, *content: object, **attributes: object) -> Markup:
    """An element; an attribute that is a word of Python is given with an underscore (``class_``)."""
    given = "".join(f' {key.rstrip("_")}="{escape(value)}"' for key, value in attributes.items())
    return Markup(f"<{name}{given}>{''.join(escape(part) for part in content)}</{name}>")


def link(text: object, address: str) -> Markup:
    """A link to an http(s) address; of any other only the text."""
    return tag("a", text, href=address) if address.startswith(("http://", "https://")) else escape(text)


def table(
    head: Sequence[object],
    rows: Iterable[Sequence[object]],
    *,
    numbers: Collection[int] = (),
    marked: Collection[int] = (),
) -> Markup:
    """A table that scrolls where it is wider than the screen.

    Args:
        head: what stands above the columns.
        rows: a cell for each column.
        numbers: columns that are set to the right.
        marked: rows, counted from 0, that stand out.
    """
    kinds = [{"class_": "n"} if column in numbers else {} for column in range(len(head))]
    lines = [tag("tr", *(tag("th", cell, **kind) for cell, kind in zip(head, kinds, strict=True)))]
    for number, row in enumerate(rows):
        cells = (tag("td", cell, **kind) for cell, kind in zip(row, kinds, strict=True))
        lines.append(tag("tr", *cells, **({"class_": "marked"} if number in marked else {})))
    return tag("div", tag("table", *lines), class_="scroll")


def facts(values: Mapping[str, object]) -> Markup:
    """A few figures in boxes, each above its name."""
    return tag("div", *(tag("div", tag("b", value), name) for name, value in values.items()), class_="facts")


def picture(content: bytes, kind: str, description: str, **attributes: object) -> Markup:
    """A picture file inside the page; ``kind`` is "png" or "jpeg", and ``description`` is for who cannot see it."""
    data = base64.b64encode(content).decode()
    given = "".join(f' {key.rstrip("_")}="{escape(value)}"' for key, value in attributes.items())
    return Markup(f'<img{given} alt="{escape(description)}" src="data:image/{kind};base64,{data}">')


def plot(figure: Figure, description: str, caption: object = "") -> Markup:
    """A figure as a picture, with a caption below it, if given; a dark page shows it dark."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=144)
    width = round(figure.get_figwidth() * 96)
    style = f"min-width:{0.8 * width:.0f}px"  # smaller could not be read: on a phone it scrolls
    image = picture(file.getvalue(), "png", description, class_="plot", width=width, style=style)
    return tag("figure", tag("div", image, class_="scroll"), tag("figcaption", caption) if caption else "")
