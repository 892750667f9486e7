"""The 22 exercises of Le Viet et al. 2024 (Table 1), their class sizes and the spellings people use for them."""

import re

from gymspotter.errors import InputError
from gymspotter.unknown import NONE

# Class sizes are Table 1's; the order is alphabetical and is the order of every model's outputs.
PAPER_CLASS_SIZES: dict[str, int] = {
    "barbell biceps curl": 676,
    "bench press": 496,
    "chest fly machine": 588,
    "deadlift": 511,
    "decline bench press": 763,
    "hammer curl": 642,
    "hip thrust": 494,
    "incline bench press": 499,
    "lat pulldown": 375,
    "lateral raise": 430,
    "leg extension": 508,
    "leg raises": 584,
    "plank": 1441,
    "pull up": 489,
    "push-up": 552,
    "romanian deadlift": 513,
    "russian twist": 472,
    "shoulder press": 348,
    "squat": 753,
    "t bar row": 555,
    "tricep dips": 352,
    "tricep pushdown": 317,
}
EXERCISES: tuple[str, ...] = tuple(PAPER_CLASS_SIZES)

# Other spellings, already in the normal form of `_normal`: the paper's own table (which misprints the lat pulldown),
# the Kaggle folders and what people write. A trailing plural "s" needs no entry.
_VARIANTS: dict[str, str] = {
    "barbell curl": "barbell biceps curl",
    "barbell bicep curl": "barbell biceps curl",
    "flat bench press": "bench press",
    "pec deck": "chest fly machine",
    "machine chest fly": "chest fly machine",
    "leg pull down": "lat pulldown",
    "lat pull down": "lat pulldown",
    "leg raise": "leg raises",
    "chin up": "pull up",
    "pullup": "pull up",
    "pushup": "push-up",
    "rdl": "romanian deadlift",
    "overhead press": "shoulder press",
    "military press": "shoulder press",
    "tbar row": "t bar row",
    "dip": "tricep dips",
    "triceps dip": "tricep dips",
    "tricep dip": "tricep dips",
    "tricep push down": "tricep pushdown",
    "triceps pushdown": "tricep pushdown",
    "triceps push down": "tricep pushdown",
}


def _normal(name: str) -> str:
    return re.sub(r"[\s_\-.]+", " ", name.strip().lower())


_BY_NORMAL = {_normal(name): name for name in (*EXERCISES, NONE)} | _VARIANTS


def exercise(name: str, mapping: dict[str, str] | None = None) -> str:
    """The exercise that ``name`` (a folder, a manifest's label) stands for, in the paper's spelling.

    Case, underscores, hyphens, dots and a plural "s" do not matter. ``mapping`` adds or overrides spellings, e.g.
    ``{"kurzhantelcurl": "hammer curl"}``. "none of these" stands for itself: other movements, see `unknown`.

    Raises:
        InputError: the name is none of the known ones; the message lists them and says how to map it.
    """
    known = _BY_NORMAL | {_normal(key): exercise(value) for key, value in (mapping or {}).items()}
    normal = _normal(name)
    for candidate in (normal, normal.removesuffix("s"), normal.removesuffix("es")):
        if candidate in known:
            return known[candidate]
    raise InputError(
        f"label {name!r} is not one of the {len(EXERCISES)} exercises ({', '.join(EXERCISES)}) nor {NONE!r}: rename "
        f'it, or map it with --map "{name}" squat.'
    )
