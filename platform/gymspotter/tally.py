"""How far an extraction is: a progress bar on a terminal, a line now and then in a log, a table at the end."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Self

from tqdm import tqdm

from gymspotter import storage
from gymspotter.spans import Span
from gymspotter.store import Quarantined
from gymspotter.tracks import Track

_UNLABELLED = "(no label)"
_REASONS = 5
_LOG_EVERY_S = 30.0


class Progress:
    """A bar with counts beside it; where there is no terminal, a line on standard error every half minute."""

    def __init__(self, what: str, *, total: int, unit: str, begun: int = 0) -> None:
        layout = "{desc} {percentage:3.0f}%|{bar:20}| {n_fmt}/{total_fmt} {unit}s{postfix}, {remaining} left"
        self._bar: Any = tqdm(total=total, initial=begun, desc=what, unit=unit, bar_format=layout, disable=None)
        self._what, self._unit, self._total, self._done = what, unit, total, begun
        self._logged = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def step(self, line: str) -> None:
        """One more is done; ``line`` says what else there is to say."""
        self._done += 1
        self._bar.set_postfix_str(line, refresh=False)
        self._bar.update()
        if self._bar.disable and time.monotonic() - self._logged > _LOG_EVERY_S:
            self._logged = time.monotonic()
            print(f"{self._what}: {self._done}/{self._total} {self._unit}s, {line}", file=sys.stderr, flush=True)


class Tally:
    """Counts outcomes; ``clock`` gives seconds."""

    def __init__(self, missing: Iterable[Span], rejected: int, clock: Callable[[], float] = time.monotonic) -> None:
        """``missing`` are the spans to come, ``rejected`` the videos without any."""
        self._clock, self._began = clock, clock()
        self._to_come = Counter(span.uri for span in missing)
        self._of_videos, self._videos = len(self._to_come), 0
        self._tracks, self._frames, self._seen = Counter[str](), Counter[str](), Counter[str]()
        self._quarantined, self._done = rejected, 0
        self.estimators = Counter[str]()

    def add(self, outcome: Track | Quarantined) -> None:
        """Count a span that is done."""
        self._done += 1
        self._to_come[outcome.uri] -= 1
        self._videos += self._to_come[outcome.uri] == 0  # counted here: the line is asked for after every span
        if isinstance(outcome, Quarantined):
            self._quarantined += 1
            return
        exercise = outcome.label or _UNLABELLED
        self._tracks[exercise] += 1
        self._frames[exercise] += len(outcome.joints)
        self._seen[exercise] += round(outcome.seen * len(outcome.joints))
        self.estimators[f"{outcome.estimator} {outcome.estimator_version}"] += len(outcome.joints)

    @property
    def done(self) -> int:
        """Spans that were counted."""
        return self._done

    @property
    def frames(self) -> int:
        """Frames that were estimated."""
        return self._frames.total()

    @property
    def frames_per_second(self) -> float:
        """Over the whole run so far."""
        return self.frames / max(self._clock() - self._began, 1e-9)

    def line(self) -> str:
        """For beside the bar."""
        return (
            f"{self._videos}/{self._of_videos} videos, {self.frames_per_second:.1f} frames/s, "
            f"{self._quarantined} quarantined"
        )

    def table(self) -> str:
        """By exercise: the tracks of this run, their frames, and in what share of them a person was seen."""
        if not self._tracks:
            return ""
        estimators = ", ".join(self.estimators)
        lines = [
            f"{self.frames} frames in {self._clock() - self._began:.0f} s ({self.frames_per_second:.1f} frames/s) "
            f"by {estimators}"
        ]
        width = max(map(len, self._tracks))
        lines.append(f"{'exercise':<{width}}  tracks  frames  person seen")
        for exercise in sorted(self._tracks):
            share = self._seen[exercise] / max(self._frames[exercise], 1)
            lines.append(f"{exercise:<{width}}  {self._tracks[exercise]:6}  {self._frames[exercise]:6}  {share:11.1%}")
        return "\n".join(lines)


def reasons(rows: Iterable[Quarantined]) -> str:
    """The kinds of failure in a quarantine, the most frequent first, each with one of its messages."""
    rows = list(rows)
    kinds = Counter(row.error for row in rows)
    first = {row.error: f"{storage.name(row.uri)!r}: {row.message}" for row in reversed(rows)}
    lines = [f"{count} x {kind}, such as {first[kind]}" for kind, count in kinds.most_common(_REASONS)]
    if len(kinds) > _REASONS:
        lines.append(f"and {len(kinds) - _REASONS} more kinds")
    return "\n".join(lines)
