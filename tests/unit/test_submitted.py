"""Where a submitted job may leave what it makes."""

import pytest

from gymspotter.distributed import Workers
from gymspotter.errors import InputError
from gymspotter.extract import ExtractOptions
from gymspotter.submitted import refuse_own_folder
from gymspotter.sweeps.options import TuneOptions
from gymspotter.tracking import use_store
from gymspotter.train import TrainOptions


@pytest.fixture
def job(monkeypatch):
    """This process as the driver of a job."""
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_it_is_ray_that_names_the_variable():
    from ray._private.runtime_env.constants import RAY_JOB_CONFIG_JSON_ENV_VAR

    from gymspotter import submitted

    assert submitted._TOLD_BY_RAY == RAY_JOB_CONFIG_JSON_ENV_VAR


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (ExtractOptions(videos="s3://gym/videos"), "out is 'runs/tracks'"),
        (TuneOptions(tracks="s3://gym/tracks"), "folder is 'runs/sweeps'"),
        (TrainOptions(tracks="s3://gym/tracks", cluster=Workers(workers=1)), "checkpoints is 'runs/checkpoints'"),
    ],
)
def test_a_job_leaves_nothing_in_its_own_folder(job, options, name, monkeypatch):
    with pytest.raises(InputError, match=name):
        refuse_own_folder(options)
    monkeypatch.delenv("RAY_JOB_CONFIG_JSON_ENV_VAR")
    refuse_own_folder(options)


@pytest.mark.parametrize("out", ["s3://gym/tracks", "gs://gym/tracks", "/shared/tracks", "file:///shared/tracks"])
def test_buckets_and_whole_paths_will_do(job, out):
    refuse_own_folder(ExtractOptions(videos="s3://gym/videos", out=out))
    refuse_own_folder(TuneOptions(tracks="s3://gym/tracks", folder=out))  # its checkpoints lie below
    refuse_own_folder(TrainOptions(tracks="s3://gym/tracks"))


def test_a_job_is_not_tracked_in_a_file_that_goes_with_it(job, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="set MLFLOW_TRACKING_URI on the cluster's nodes"):
        use_store()
    assert not list(tmp_path.iterdir())
