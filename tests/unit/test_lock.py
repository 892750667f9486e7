import pytest

from gymspotter.errors import InputError
from gymspotter.lock import check_writer, only_writer


def test_a_store_has_one_writer(tmp_path):
    with only_writer(tmp_path), pytest.raises(InputError, match="another run"), only_writer(tmp_path):
        pass
    with only_writer(tmp_path):
        check_writer(tmp_path)


def test_what_a_run_that_was_killed_had_not_finished_writing_is_removed(tmp_path):
    (tmp_path / "tracks").mkdir()
    for name in (".extraction.json.tmp", "tracks/.part-1.parquet.tmp", "tracks/part-2.parquet"):
        (tmp_path / name).write_bytes(b"half")
    with only_writer(tmp_path):
        assert [path.name for path in (tmp_path / "tracks").iterdir()] == ["part-2.parquet"]
        assert not (tmp_path / ".extraction.json.tmp").exists()


def test_a_store_that_cannot_be_made_says_so(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with (
        pytest.raises(InputError, match=r"^'.*/store' cannot be written: Not a directory"),
        only_writer(tmp_path / "file" / "store"),
    ):
        pass
