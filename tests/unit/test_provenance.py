"""What a run says of the code and the machine that it came from."""

import re
from pathlib import Path

from gymspotter.provenance import environment, git_commit


def test_the_environment_names_versions_and_device():
    found = environment()
    assert set(found) == {"python", "torch", "ray", "mlflow", "platform", "device"}
    assert all(re.match(r"\d+\.\d+", found[name]) for name in ("python", "torch", "ray", "mlflow"))
    assert found["device"]


def test_the_commit_is_that_of_the_checkout():
    assert len(git_commit().rstrip("+")) in (0, 40)
    assert git_commit(Path("/")) == ""
