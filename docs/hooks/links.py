"""Links that leave docs/ (``../benchmarks/serve.py``): to the repository's page on the web, or else plain text.

Where the documentation is read as files, beside the rest of the repository, such links lead to the file. A site holds
only docs/, so they lead to ``repo_url`` of mkdocs.yml there; without one only their text is left. Either way they must
name something that exists.
"""

import logging
import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

log = logging.getLogger("mkdocs.hooks.links")

# A fence, an inline code span, or a link. The first two are matched so that what looks like a link in them is left.
_PARTS = re.compile(
    r"(?P<code>^(?P<fence>```+|~~~+).*?^(?P=fence)[^\S\n]*$|`[^`\n]+`)"
    r"|(?<!!)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>\.\./[^)\s#]*)(?P<anchor>#[^)\s]*)?\)",
    re.MULTILINE | re.DOTALL,
)
BRANCH = "main"


def on_page_markdown(markdown: str, *, page: Any, config: Any, **_: Any) -> str:
    """MkDocs calls it for every page."""
    docs = Path(config["docs_dir"])
    return rewrite(markdown, page.file.src_uri, docs, config["repo_url"] or "")


def rewrite(markdown: str, page: str, docs: Path, repo_url: str) -> str:
    """``markdown`` of ``page`` (a path below ``docs``) with its links out of ``docs`` rewritten."""

    def link(match: re.Match[str]) -> str:
        target = match["target"]
        if target is None:
            return match[0]
        found = Path(os.path.normpath(docs / PurePosixPath(page).parent / target))
        if found.is_relative_to(docs):
            return match[0]
        there = found.is_relative_to(docs.parent) and found.exists()
        if not there:
            log.warning("%s links to %s, which is not there.", page, target)
        if not repo_url or not there:
            return match["text"]
        kind = "tree" if found.is_dir() else "blob"
        path = found.relative_to(docs.parent).as_posix()
        return f"[{match['text']}]({repo_url.rstrip('/')}/{kind}/{BRANCH}/{path}{match['anchor'] or ''})"

    return _PARTS.sub(link, markdown)
