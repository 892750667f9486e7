"""Fills docs/reference/commands.md with the options of every verb, as the command line itself has them.

The options are read from the parsers that tyro makes of the verbs' dataclasses when the site is built, so the page
cannot say anything else than ``gymspotter <verb> --help``.
"""

import importlib
import os
import re
import warnings
from collections.abc import Iterator
from typing import Any

PLACE = "<!-- every verb and its options -->"
_DEFAULT = re.compile(r"\s*\((?:default: (?P<default>.*)|(?P<required>required))\)\s*$", re.DOTALL)


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """MkDocs calls it for every page; only the one with the place in it changes."""
    return markdown.replace(PLACE, every_verb()) if PLACE in markdown else markdown


def every_verb() -> str:
    """A section for each verb, in the order of the command line."""
    # Ray and MLflow, which the verbs' modules import, send no statistics from here.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    from gymspotter.cli import VERBS

    return "\n".join("\n".join(section(verb, parser_of(*VERBS[verb][:2]))) for verb in VERBS)


def parser_of(module: str, options: str) -> Any:
    """The parser of a verb's options."""
    import tyro

    options_class = getattr(importlib.import_module(module), options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return tyro.extras.get_parser(options_class)


def section(verb: str, parser: Any) -> Iterator[str]:
    """One verb in Markdown: what it does, how it is called, its options in their groups."""
    yield from (f"## {verb}", "", _prose(parser.description or ""), "")
    words = [_positional(action) for action in parser._actions if _is_positional(action)]
    yield from ("```sh", " ".join(["gymspotter", verb, *words, "[options]"]), "```", "")
    for prose, rows in _tables(parser):
        yield from (*([prose, ""] if prose else []), "| option | | by default |", "|---|---|---|", *rows, "")


def _tables(parser: Any) -> Iterator[tuple[str, list[str]]]:
    """What is said before a table, and its rows; groups without a description share the first one."""
    plain: list[str] = []
    more: list[tuple[str, list[str]]] = []
    for group in parser._action_groups:
        rows = list(_rows(group._group_actions))
        if group.description and rows:
            more.append((_prose(group.description), rows))
        else:
            plain += rows
        for action in filter(_is_nested, group._group_actions):
            for name, inner in action.choices.items():
                prose = f"Then, at the end, `{name}`: {_prose(inner.description or '')}"
                more.append((prose, list(_rows(inner._actions))))
    yield from (table for table in [("", plain), *more] if table[1])


def _rows(actions: list[Any]) -> Iterator[str]:
    for action in actions:
        if action.dest == "help" or _is_nested(action):
            continue
        text = action.help or ""
        found = _DEFAULT.search(text)
        default = (found["default"] or "").strip() if found else ""
        shown = "required" if found and found["required"] else f"`{default}`" if default not in ("", "None") else ""
        name = _positional(action) if _is_positional(action) else _flag(action)
        yield f"| `{_cell(name)}` | {_cell(_prose(_DEFAULT.sub('', text)))} | {_cell(shown)} |"


def _flag(action: Any) -> str:
    # A switch has no value, and a second spelling with --no-, which the page explains once.
    kind = "" if action.metavar is None else str(action.metavar).replace("{None}|", "")
    return f"{action.option_strings[0]} {kind}".strip()


def _positional(action: Any) -> str:
    name = str(action.dest).rsplit(".", 1)[-1].upper()
    return name if action.required else f"[{name}]"


def _is_positional(action: Any) -> bool:
    return not action.option_strings and not _is_nested(action)


def _is_nested(action: Any) -> bool:
    # By what it has and not by its class: tyro's parsers are made of argparse's classes or of copies of them.
    return isinstance(action.choices, dict)


def _prose(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
