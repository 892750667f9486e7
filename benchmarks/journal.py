"""Finished parts of a long benchmark, in a file: an interrupted run goes on from there."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Journal:
    """A file of lines ``{"key": ..., "value": ...}``; a line that was cut off in writing is as if never written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.values: dict[str, Any] = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    entry = json.loads(line)
                except json.JSONDecodeError:
                    continue
                self.values[entry["key"]] = entry["value"]

    def once(self, key: str, work: Callable[[], Any]) -> Any:
        """The value noted under ``key``; where there is none, that of ``work`` is noted and returned."""
        if key not in self.values:
            self.values[key] = work()
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"key": key, "value": self.values[key]}) + "\n")
        return self.values[key]
