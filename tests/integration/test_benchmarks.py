"""Every benchmark runs in its quick form and writes what the results page reads."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Even the quick form of faults.py takes ten minutes, and root: test_faulting.py tries what it stands on.
APART = ("common", "faults", "journal", "processes", "run_all")
BENCHMARKS = [path for path in sorted(ROOT.glob("benchmarks/*.py")) if path.stem not in APART]


@pytest.mark.slow
@pytest.mark.parametrize("script", BENCHMARKS, ids=lambda path: path.stem)
def test_a_quick_run_writes_its_claims(script, tmp_path):
    out = tmp_path / "claims.json"
    done = subprocess.run([sys.executable, script, "--quick", "--json", out], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    if not out.exists():
        assert "nothing was measured" in done.stdout
        pytest.skip("its data are not here")
    written = json.loads(out.read_text())
    assert written["benchmark"] == script.stem
    assert written["device"]
    assert written["claims"]
    for claim in written["claims"]:
        assert set(claim) == {"claim", "value", "goal", "unit", "runs", "holds"}
        assert claim["claim"] in done.stdout


def test_the_results_page_is_made_of_the_committed_figures():
    page = (ROOT / "docs" / "results.md").read_text()
    for file in ROOT.glob("benchmarks/results/*.json"):
        for claim in json.loads(file.read_text())["claims"]:
            assert f"| {claim['claim']} | {claim['value']:.4g} {claim['unit']} |" in page
