"""What jobs say: their lines without what differs from run to run, and those that an undisturbed run does not say."""

import re
from collections.abc import Iterable

# What Ray puts before the line of another process and after it: colours, whose it is, how often; and Serve's time.
_AROUND = re.compile(r"\x1b\[[\d;]*m|^\([^)]*pid=[^)]*\) |\d{4}-\d\d-\d\d [\d:,]+ | \[repeated \d+x .*")
_NUMBERS = re.compile(r"[0-9a-f]*\d[0-9a-f]*")
# Parts of what a line before them says; and what Ray's own processes note for those who look after Ray.
_ASIDE = ("- ", "[state-dump]", "File ", "^", "[I ", "[W ")


def plain(line: str) -> str:
    """A line without colours, times, and the process that it comes from."""
    while (shorter := _AROUND.sub("", line)) != line:
        line = shorter
    return line.strip()


def surprising(said: Iterable[str], usual: Iterable[str]) -> list[str]:
    """The plain lines of a run that an undisturbed one does not say, whatever numbers are in them."""
    known = {_NUMBERS.sub("#", plain(line)) for line in usual}
    return [plain(line) for line in said if _NUMBERS.sub("#", plain(line)) not in known]


def shown(said: Iterable[str], *, lines: int = 6, letters: int = 220) -> list[str]:
    """The first lines of what was said, each once and not too long."""
    told = (line[:letters] for line in said if line and not line.startswith(_ASIDE))
    return list(dict.fromkeys(told))[:lines]
