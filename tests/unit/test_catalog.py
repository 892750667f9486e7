import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gymspotter.catalog import Entry, read_catalog
from gymspotter.errors import InputError


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return str(path)


def test_a_folder_per_exercise_gives_labels(tmp_path):
    a = touch(tmp_path / "Squats" / "a.MP4")
    b = touch(tmp_path / "tricep Pushdown" / "sub" / "b.mov")
    touch(tmp_path / "Squats" / "notes.txt")
    touch(tmp_path / "Squats" / "._a.mp4")
    (tmp_path / "papers").mkdir()
    assert read_catalog(tmp_path) == [Entry(uri=a, label="squat"), Entry(uri=b, label="tricep pushdown")]


def test_videos_beside_the_folders_have_no_label(tmp_path):
    a = touch(tmp_path / "a.mp4")
    assert read_catalog(tmp_path) == [Entry(uri=a)]
    assert read_catalog(a) == [Entry(uri=a)]


def test_an_unknown_folder_is_an_error_that_a_mapping_mends(tmp_path):
    a = touch(tmp_path / "kniebeuge" / "a.mp4")
    with pytest.raises(InputError, match=r"'kniebeuge'.*barbell biceps curl.*--map"):
        read_catalog(tmp_path)
    assert read_catalog(tmp_path, {"kniebeuge": "squat"}) == [Entry(uri=a, label="squat")]


def test_a_csv_manifest(tmp_path):
    manifest = tmp_path / "m.csv"
    manifest.write_text("uri,label,group\nb.mp4,Push Up,007\n/abs/a.mp4,,\n")
    assert read_catalog(manifest) == [
        Entry(uri="/abs/a.mp4"),
        Entry(uri=str(tmp_path / "b.mp4"), label="push-up", group="007"),
    ]


def test_a_parquet_manifest(tmp_path):
    pq.write_table(pa.table({"uri": ["b.mp4"], "label": ["plank"]}), tmp_path / "m.parquet")
    assert read_catalog(tmp_path / "m.parquet") == [Entry(uri=str(tmp_path / "b.mp4"), label="plank")]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("file,label\na,squat\n", "no column uri"),
        ("uri,label\n,squat\n", "no uri in row 1"),
        ("uri\na\nb\na\n", "rows 1 and 3"),
        ("uri,label, label\na,squat,plank\n", "two columns 'label'"),
        ("", "cannot be read"),
    ],
)
def test_a_manifest_that_cannot_be_used_says_why(tmp_path, text, says):
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(InputError, match=says):
        read_catalog(tmp_path / "m.csv")


def test_nothing_there_says_so(tmp_path):
    with pytest.raises(InputError, match="holds no video"):
        read_catalog(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        read_catalog(tmp_path / "nowhere")
    with pytest.raises(InputError, match="does not exist"):
        read_catalog(tmp_path / "nowhere.csv")


def test_a_folder_with_a_manifest_is_that_manifest(tmp_path):
    touch(tmp_path / "squat" / "a.mp4")
    (tmp_path / "manifest.csv").write_text("uri,label,group\nsquat/a.mp4,plank,anna\n")
    assert read_catalog(tmp_path) == [Entry(uri=str(tmp_path / "squat" / "a.mp4"), label="plank", group="anna")]


def test_spaces_around_column_names_and_further_columns_do_no_harm(tmp_path):
    (tmp_path / "m.csv").write_text("uri, label ,camera\nb.mp4,plank,2\n")
    assert read_catalog(tmp_path / "m.csv") == [Entry(uri=str(tmp_path / "b.mp4"), label="plank")]


@pytest.mark.parametrize("text", ["uri,gr\u00f6\u00dfe\na.mp4,1\n", "uri,group\na.mp4,J\u00fcrgen\n"])
def test_a_manifest_that_is_not_utf8_says_so(tmp_path, text):
    (tmp_path / "m.csv").write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=r"^manifest '.*m.csv' is not UTF-8: save it as UTF-8\.$"):
        read_catalog(tmp_path / "m.csv")


def test_a_manifest_that_may_not_be_read_says_so(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "m.csv").write_text("uri\na.mp4\n")
    monkeypatch.setattr("pyarrow.csv.open_csv", refuse)
    with pytest.raises(InputError, match=r"cannot be read \(Permission denied\): .*\.$"):
        read_catalog(tmp_path / "m.csv")


def test_hidden_folders_are_skipped_and_cameras_formats_are_not(tmp_path):
    touch(tmp_path / "squat" / ".cache" / "x.mp4")
    names = [touch(tmp_path / "squat" / f"a.{suffix}") for suffix in ("3gp", "flv", "m2ts", "mts", "ogv", "webp")]
    assert [entry.uri for entry in read_catalog(tmp_path)] == names


def test_the_videos_of_a_manifest_may_lie_elsewhere(tmp_path):
    (tmp_path / "m.csv").write_text("uri\ns3://gym/a b/c?.mp4\nfile:///data/a%20b.mp4\n../d.mp4\n")
    uris = [str(tmp_path / "../d.mp4"), "/data/a b.mp4", "s3://gym/a b/c?.mp4"]
    assert [entry.uri for entry in read_catalog(f"file://{tmp_path}/m.csv")] == sorted(uris)


def test_a_folder_per_exercise_may_be_a_link(tmp_path):
    touch(tmp_path / "elsewhere" / "sub" / "a.mp4")
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "squat").symlink_to(tmp_path / "elsewhere")
    (entry,) = read_catalog(tmp_path / "videos")
    assert entry == Entry(uri=str(tmp_path / "videos" / "squat" / "sub" / "a.mp4"), label="squat")
