"""Stages of a pipeline that are passed over when nothing they depend on has changed.

What a stage was given and what came of it is a file beside the data, on any storage. A stage that was stopped half-way
has none, and is run again; that it then goes on from where it was is its own business.
"""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from gymspotter import storage
from gymspotter.errors import InputError
from gymspotter.lock import check_writer

Plain = dict[str, Any]  # what JSON can say
GONE = "what it made is gone"


@dataclass(frozen=True, kw_only=True)
class Done:
    """A stage that has ended: its inputs and outputs, how long it took, when it ended (UTC)."""

    inputs: Plain
    outputs: Plain
    seconds: float
    ended: str


class Stages:
    """The stages below a folder; ``again`` is the first that is run even if nothing has changed ("": none).

    ``say`` is told what happens with each.
    """

    def __init__(self, folder: str, *, again: str = "", say: Callable[[str], None] = print) -> None:
        self.folder, self._again, self._say = folder, again, say
        self._forced = False

    def run(
        self,
        name: str,
        inputs: Plain,
        work: Callable[[], Plain],
        *,
        again: Callable[[Plain], str] = lambda outputs: "",
    ) -> Plain:
        """What comes of a stage: what came of it before, or else of ``work`` now.

        Args:
            name: of the stage, and of its file.
            inputs: all that its outcome depends on.
            work: does it, and returns what later stages need to know.
            again: why it is run again although its inputs are the same, by its outputs (`GONE`); "" if it need not be.
        """
        inputs = json.loads(json.dumps(inputs))  # as they will be read again
        self._forced = self.forced(name)
        before = self.read(name)
        why = self._why(before, inputs, again)
        if before is not None and not why:
            self._say(f"{name}: nothing has changed since {before.ended}, passed over")
            return before.outputs
        self._say(f"{name}: {why}")
        check_writer(self.folder)
        # From here on the old outcome is none any more, also if this one is stopped.
        storage.remove(self._place(name))
        began = time.monotonic()
        outputs = json.loads(json.dumps(work()))
        done = Done(
            inputs=inputs,
            outputs=outputs,
            seconds=round(time.monotonic() - began, 1),
            ended=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
        check_writer(self.folder)  # after a lost lease another run may have it
        storage.write_whole(self._place(name), (json.dumps(asdict(done), indent=1) + "\n").encode())
        self._say(f"{name}: done in {done.seconds:.0f} s")
        return outputs

    def forced(self, name: str) -> bool:
        """Whether a stage is run even if nothing has changed: it is ``again``, or after it."""
        return self._forced or name == self._again

    def read(self, name: str) -> Done | None:
        """The stage as it ended the last time; None if it never did.

        Raises:
            InputError: its file is broken.
        """
        place = self._place(name)
        if storage.info(place) is None:
            return None
        try:
            return Done(**json.loads(storage.read_bytes(place)))
        except (ValueError, TypeError) as error:
            raise InputError(f"{place!r} is not a stage's record: remove it, and the stage is run again.") from error

    def _why(self, before: Done | None, inputs: Plain, again: Callable[[Plain], str]) -> str:
        """Why it has to be run; "" if it need not be."""
        if self._forced:
            return "asked for again"
        if before is None:
            return "not done yet"
        changed = sorted(k for k in {*before.inputs, *inputs} if before.inputs.get(k) != inputs.get(k))
        if changed:
            return f"{', '.join(changed)} changed"
        return again(before.outputs)

    def _place(self, name: str) -> str:
        return storage.join(self.folder, f"{name}.json")


def digest(value: object) -> str:
    """16 hex digits that change with a plain value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
