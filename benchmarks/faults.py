"""Faults under way: kill -9, a cut cable, a full object store, no storage, no MLflow. What is lost, and for how long.

    sudo python benchmarks/faults.py [--only extraction,training] [--fault raylet,cut] [--quick] [--json FILE]

On a cluster of this machine whose nodes are network namespaces, which needs root. Each cell begins an activity, lets
the fault happen in the middle of it, and compares what there is in the end with an undisturbed run, by content.
"""

import importlib
import os
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from common import Claim, Options, parser, report
from faulting.nodes import Cluster, Network
from faulting.rows import ACTIVITIES, FAULTS, Row, as_markdown, print_rows
from faulting.services import Services
from processes import NotComeAboutError

QUICK = ("worker",)


def main() -> None:
    out = parser(__doc__ or "")
    out.add_argument("--only", default=",".join(ACTIVITIES), help="activities, with commas between them")
    out.add_argument("--fault", default=",".join(FAULTS), help="faults, with commas between them")
    out.add_argument("--markdown", type=Path, metavar="FILE", help="where to write the table of docs/reliability.md")
    given = out.parse_args()
    activities = _chosen("only", given.only, ACTIVITIES)
    faults = [one for one in _chosen("fault", given.fault, tuple(FAULTS)) if not given.quick or one in QUICK]
    if os.geteuid():
        print("nothing was measured: the nodes of the cluster are network namespaces, which only root may make.")
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nothing is left behind
    rows = [row for activity in activities for row in _rows(activity, faults)]
    print_rows(rows)
    if given.markdown:
        given.markdown.write_text(as_markdown(rows) + "\n", encoding="utf-8")
    report("faults", _claims(rows), Options(quick=given.quick, json=given.json), packages=("ray", "mlflow"))
    if any(row.rc is None and row.lost for row in rows):  # a cell that did not come to its end
        sys.exit(1)


def _chosen(option: str, words: str, known: tuple[str, ...]) -> list[str]:
    chosen = words.split(",")
    for word in chosen:
        if word not in known:
            raise SystemExit(f"{option} is {word!r}: use one or more of {', '.join(known)}.")
    return chosen


def _rows(activity: str, faults: list[str]) -> list[Row]:
    """The cells of an activity, all on one cluster, which is made whole between them."""
    module: Any = importlib.import_module(f"faulting.{activity}")
    rows: list[Row] = []
    with (
        tempfile.TemporaryDirectory(prefix="gymspotter-") as folder,
        Network() as network,
        Services(network.host, Path(folder)) as services,
        Cluster(network, workers=module.WORKERS, cpus=module.CPUS, environment=services.env) as cluster,
    ):
        for fault in faults:
            began = time.monotonic()
            try:
                cluster.restore()
                services.restore()
                row = module.run(fault, cluster, services, Path(folder) / fault)
            except (Exception, NotComeAboutError) as error:  # the other cells are measured all the same
                traceback.print_exc()
                row = Row(activity=activity, fault=fault, lost=1, note=str(error).partition("\n")[0])
            rows.append(row)
            print_rows([row])
            print(f"  {time.monotonic() - began:.0f} s", flush=True)
    return rows


def _claims(rows: list[Row]) -> list[Claim]:
    claims = []
    for row in rows:
        if row.lost is None:
            continue
        what = f"{row.activity}: {FAULTS[row.fault]}"
        claims.append(Claim(claim=f"{what}: lost", value=row.lost, unit="items", goal=0, better="less"))
        claims.append(Claim(claim=f"{what}: there twice", value=row.twice or 0, unit="items", goal=0, better="less"))
        if row.recover_s is not None:
            claims.append(Claim(claim=f"{what}: time to recover", value=row.recover_s, unit="s"))
    return claims


if __name__ == "__main__":
    main()
