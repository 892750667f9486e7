"""What to extract: a folder per exercise, or a manifest, read into rows of (uri, label, group)."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from gymspotter.errors import InputError
from gymspotter.labels import exercise
from gymspotter.video import VIDEO_SUFFIXES

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
    manifest. ``mapping`` adds spellings of exercises.

    Raises:
        InputError: there is no such source, it holds no video, or a folder or label is not an exercise.
    """
    path = Path(source)
    if (path / MANIFEST).is_file():
        entries = _manifest(path / MANIFEST, mapping)
    elif path.is_dir():
        entries = _folder(path, mapping)
    elif path.suffix in (".csv", ".parquet"):
        entries = _manifest(path, mapping)
    elif path.is_file():
        entries = [Entry(uri=str(path))]
    else:
        raise InputError(f"videos {str(source)!r} does not exist: name a folder of videos, a video or a manifest.")
    if not entries:
        raise InputError(
            f"videos {str(source)!r} holds no video: put one folder per exercise in it, with files such as "
            f"{', '.join(sorted(VIDEO_SUFFIXES)[:4])} inside."
        )
    return sorted(entries, key=lambda entry: entry.uri)


def _folder(root: Path, mapping: dict[str, str] | None) -> list[Entry]:
    entries = [Entry(uri=str(file)) for file in _videos(root)]
    for folder in sorted(root.iterdir()):
        if folder.is_dir() and not folder.name.startswith("."):
            files = sorted(file for file in folder.rglob("*") if _is_video(file) and not _is_hidden(file, folder))
            if files:  # a folder without videos (notes, licences) needs no label
                label = exercise(folder.name, mapping)
                entries += [Entry(uri=str(file), label=label) for file in files]
    return entries


def _videos(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if _is_video(file))


def _is_video(file: Path) -> bool:
    return file.suffix.lower() in VIDEO_SUFFIXES and not file.name.startswith(".") and not file.is_dir()


def _is_hidden(file: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(folder).parts)


def _manifest(path: Path, mapping: dict[str, str] | None) -> list[Entry]:
    if not path.is_file():
        raise InputError(f"manifest {str(path)!r} does not exist: check the path.")
    try:
        if path.suffix == ".parquet":
            table = pq.read_table(path)
        else:
            # Everything is text: a group "007" is not the number 7.
            with pa.csv.open_csv(path) as reader:
                names = reader.schema.names
            as_text = pa.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True)
            table = pa.csv.read_csv(path, convert_options=as_text)
        table = table.rename_columns([name.strip() for name in table.column_names])
    except UnicodeDecodeError as error:
        raise InputError(f"manifest {str(path)!r} is not UTF-8: save it as UTF-8.") from error
    except OSError as error:
        raise InputError(
            f"manifest {str(path)!r} cannot be read ({error.strerror or type(error).__name__}): "
            "check its permissions, or write it again."
        ) from error
    except pa.ArrowInvalid as error:
        if "UTF8" in str(error):
            raise InputError(f"manifest {str(path)!r} is not UTF-8: save it as UTF-8.") from error
        raise InputError(
            f"manifest {str(path)!r} cannot be read ({error}): write a table with a column uri."
        ) from error
    twice = sorted({name for name in table.column_names if table.column_names.count(name) > 1})
    if twice:
        raise InputError(f"manifest {str(path)!r} has two columns {twice[0]!r}: rename or remove one.")
    if "uri" not in table.column_names:
        raise InputError(f"manifest {str(path)!r} has no column uri (it has {', '.join(table.column_names)}): add it.")
    entries, rows = [], dict[str, int]()
    for number, row in enumerate(table.to_pylist(), start=1):
        if not row["uri"]:
            raise InputError(f"manifest {str(path)!r} has no uri in row {number}: fill it in or remove the row.")
        uri = str(path.parent / str(row["uri"]))
        if uri in rows:
            raise InputError(
                f"manifest {str(path)!r} has {uri!r} in rows {rows[uri]} and {number}: remove one of them."
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
