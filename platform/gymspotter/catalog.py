"""What to extract: a folder per exercise, or a manifest, read into rows of (uri, label, group)."""

import posixpath
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from gymspotter import storage
from gymspotter.container import VIDEO_SUFFIXES
from gymspotter.errors import InputError
from gymspotter.labels import exercise

MANIFEST = "manifest.csv"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One video to extract. ``label`` is an exercise or None (not known); ``group`` the person or session, or None."""

    uri: str
    label: str | None = None
    group: str | None = None


def read_catalog(source: str | Path, mapping: dict[str, str] | None = None) -> list[Entry]:
    """The videos of ``source``, sorted by uri.

    ``source`` is a folder with one folder per exercise (the layout of the Kaggle set "Workout/Exercises Video"), a
    folder of videos without labels, one video, or a manifest: a .csv or .parquet file with a column ``uri`` (absolute,
    or relative to the manifest) and, if known, ``label`` and ``group``. A folder with a ``manifest.csv`` in it is that
    manifest. All may be on local disk, s3:// or gs:// (see `storage`), the videos of a manifest elsewhere than itself.
    ``mapping`` adds spellings of exercises.

    Raises:
        InputError: there is no such source, it holds no video, or a folder or label is not an exercise.
    """
    there = storage.info(source)
    if there and not there.is_folder:
        is_manifest = _suffix(source) in (".csv", ".parquet")
        entries = _manifest(source, mapping) if is_manifest else [Entry(uri=storage.join(source))]
    elif storage.info(manifest := storage.join(source, MANIFEST)):
        entries = _manifest(manifest, mapping)
    else:
        # Google's store has no folders, only names with slashes: a folder there is what has files below it.
        files = storage.files(source, below=True)
        if not files and not there:
            raise InputError(f"videos {str(source)!r} does not exist: name a folder of videos, a video or a manifest.")
        entries = _folder(storage.join(source), files, mapping)
    if not entries:
        raise InputError(
            f"videos {str(source)!r} holds no video: put one folder per exercise in it, with files such as "
            f"{', '.join(sorted(VIDEO_SUFFIXES)[:4])} inside."
        )
    return sorted(entries, key=lambda entry: entry.uri)


def _folder(root: str, files: list[str], mapping: dict[str, str] | None) -> list[Entry]:
    videos = [file for file in files if _suffix(file) in VIDEO_SUFFIXES]
    folders = [storage.relative(file, root).split("/")[:-1] for file in videos]
    # A folder without videos (notes, licences) needs no label.
    labels = {folder[0]: exercise(folder[0], mapping) for folder in folders if folder}
    return [
        Entry(uri=video, label=labels[folder[0]] if folder else None)
        for video, folder in zip(videos, folders, strict=True)
    ]


def _suffix(place: str | Path) -> str:
    return posixpath.splitext(storage.name(place))[1].lower()


def _manifest(place: str | Path, mapping: dict[str, str] | None) -> list[Entry]:
    try:
        with storage.open_input(place) as file:
            if _suffix(place) == ".parquet":
                table = pq.ParquetFile(file).read()
            else:
                # Everything is text: a group "007" is not the number 7.
                content = file.read()
                with pa.csv.open_csv(pa.BufferReader(content)) as reader:
                    text = dict.fromkeys(reader.schema.names, pa.string())
                options = pa.csv.ConvertOptions(column_types=text, strings_can_be_null=True)
                table = pa.csv.read_csv(pa.BufferReader(content), convert_options=options)
        table = table.rename_columns([name.strip() for name in table.column_names])
    except UnicodeDecodeError as error:
        raise InputError(f"manifest {str(place)!r} is not UTF-8: save it as UTF-8.") from error
    except OSError as error:
        raise InputError(
            f"manifest {str(place)!r} cannot be read ({error.strerror or type(error).__name__}): write it again."
        ) from error
    except pa.ArrowInvalid as error:
        if "UTF8" in str(error):
            raise InputError(f"manifest {str(place)!r} is not UTF-8: save it as UTF-8.") from error
        raise InputError(
            f"manifest {str(place)!r} cannot be read ({error}): write a table with a column uri."
        ) from error
    twice = sorted({name for name in table.column_names if table.column_names.count(name) > 1})
    if twice:
        raise InputError(f"manifest {str(place)!r} has two columns {twice[0]!r}: rename or remove one.")
    if "uri" not in table.column_names:
        raise InputError(f"manifest {str(place)!r} has no column uri (it has {', '.join(table.column_names)}): add it.")
    entries, rows = [], dict[str, int]()
    for number, row in enumerate(table.to_pylist(), start=1):
        if not row["uri"]:
            raise InputError(f"manifest {str(place)!r} has no uri in row {number}: fill it in or remove the row.")
        uri = storage.join(storage.parent(place), str(row["uri"]))
        if uri in rows:
            raise InputError(
                f"manifest {str(place)!r} has {uri!r} in rows {rows[uri]} and {number}: remove one of them."
            )
        rows[uri] = number
        entries.append(
            Entry(
                uri=uri,
                label=exercise(str(row["label"]), mapping) if row.get("label") else None,
                group=str(row["group"]) if row.get("group") not in (None, "") else None,
            )
        )
    return entries
