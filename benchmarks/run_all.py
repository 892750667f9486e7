"""Run every benchmark and refresh the table in docs/results.md: ``make bench``, or ``make bench ARGS=--quick``.

    python benchmarks/run_all.py [--quick] [--table-only]

Figures are kept as JSON under benchmarks/results/; a file may also have come from another machine, and says which.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PAGE = HERE.parent / "docs" / "results.md"
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
NOT_BENCHMARKS = {"common", "journal", "processes", "run_all"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="each benchmark ends within two minutes on two cores")
    parser.add_argument("--table-only", action="store_true", help="only rebuild the page from the JSON that is there")
    given = parser.parse_args()
    if not given.table_only:
        for script in sorted(HERE.glob("*.py")):
            if script.stem in NOT_BENCHMARKS:
                continue
            print(f"== {script.stem}", flush=True)
            command = [sys.executable, str(script), "--json", str(RESULTS / f"{script.stem}.json")]
            subprocess.run(command + ["--quick"] * given.quick, check=True)
    PAGE.write_text(_refreshed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def _refreshed(page: str) -> str:
    """The page with the part between the markers made anew."""
    before, rest = page.split(BEGIN)
    return before + BEGIN + "\n\n" + "\n".join(map(_section, sorted(RESULTS.glob("*.json")))) + END + rest.split(END)[1]


def _section(file: Path) -> str:
    """One benchmark as a heading and a table."""
    found = json.loads(file.read_text(encoding="utf-8"))
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    lines = [f"### {file.stem}", "", f"{found['device']}; {versions}.", "", "| claim | value | goal | holds |"]
    lines.append("|---|---:|---:|---|")
    for claim in found["claims"]:
        goal = "" if claim["goal"] is None else f"{claim['goal']:g}"
        holds = {None: "", True: "yes", False: "**no**"}[claim["holds"]]
        lines.append(f"| {claim['claim']} | {claim['value']:.4g} {claim['unit']} | {goal} | {holds} |")
    return "\n".join(lines) + "\n\n"


if __name__ == "__main__":
    main()
