"""What came of one activity under one fault."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field

_LETTERS = 150  # of a line in the table
ACTIVITIES = ("extraction", "training", "sweep", "serving")
FAULTS = {
    "worker": "kill -9 a worker process",
    "raylet": "kill -9 a raylet (a node)",
    "driver": "kill -9 the driver",
    "cut": "cut a node off the network",
    "store": "fill a node's object store",
    "storage": "storage fails for a while",
    "mlflow": "MLflow stops for a minute",
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """A cell of the table.

    ``seen`` are lines that the user is shown because of the fault; ``lost`` and ``twice`` count what should be there
    once; ``recover_s`` seconds from the fault until work goes on as before; ``rc`` is the exit status of the job. A
    cell that makes no sense has no figures, and says why in ``note``.
    """

    activity: str
    fault: str
    seen: list[str] = field(default_factory=list)
    lost: int | None = None
    twice: int | None = None
    recover_s: float | None = None
    rc: int | None = None
    note: str = ""

    @property
    def holds(self) -> bool:
        """Whether nothing was lost, nothing is there twice, and the job ended well."""
        return not (self.lost or self.twice or self.rc)


def print_rows(rows: Sequence[Row]) -> None:
    """A table, and below each row what was seen."""
    print(f"{'activity':<11} {'fault':<8} {'lost':>5} {'twice':>5} {'recover':>9} {'status':>6}")
    for row in rows:
        figures = [("lost", row.lost, 5), ("twice", row.twice, 5)]
        counts = " ".join(f"{'-' if value is None else value:>{width}}" for _, value, width in figures)
        recover = "-" if row.recover_s is None else f"{row.recover_s:.1f} s"
        print(f"{row.activity:<11} {row.fault:<8} {counts} {recover:>9} {'-' if row.rc is None else row.rc:>6}")
        for line in (row.note, *(f"> {line}" for line in row.seen)):
            print(textwrap.indent(textwrap.fill(line, 112), " " * 12))
    print(flush=True)


def as_markdown(rows: Sequence[Row]) -> str:
    """The table of docs/reliability.md; of what was said, the first two lines and not all of each."""
    lines = ["| activity | fault | what the user sees | lost | twice | time to recover |", "|---|---|---|---|---|---|"]
    for row in rows:
        lines_seen = [textwrap.shorten(line, _LETTERS, placeholder=" ...") for line in row.seen[:2]]
        seen = "<br>".join(f"`{line.replace('|', '/').replace('`', chr(39))}`" for line in lines_seen) or "nothing"
        figures = [
            ("nothing" if not value else str(value)) if value is not None else "" for value in (row.lost, row.twice)
        ]
        recover = "" if row.recover_s is None else f"{row.recover_s:.0f} s"
        note = f"<br>({row.note})" if row.note else ""
        lines.append(
            f"| {row.activity} | {FAULTS[row.fault]} | {seen}{note} | {figures[0]} | {figures[1]} | {recover} |"
        )
    return "\n".join(lines)
