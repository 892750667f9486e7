import pytest

from gymspotter.errors import InputError
from gymspotter.labels import EXERCISES, PAPER_CLASS_SIZES, exercise


def test_the_class_sizes_are_those_of_table_1():
    assert len(EXERCISES) == 22
    assert sum(PAPER_CLASS_SIZES.values()) == 12_358
    assert max(PAPER_CLASS_SIZES, key=PAPER_CLASS_SIZES.get) == "plank"
    assert min(PAPER_CLASS_SIZES, key=PAPER_CLASS_SIZES.get) == "tricep pushdown"


@pytest.mark.parametrize(
    ("spelling", "meant"),
    [
        ("barbell biceps curl", "barbell biceps curl"),  # the folders of the Kaggle set, some with quirks
        ("push-up", "push-up"),
        ("tricep Pushdown", "tricep pushdown"),
        ("t bar row", "t bar row"),
        ("Push Up", "push-up"),  # Table 1's spellings
        ("Leg Pull-down", "lat pulldown"),
        ("Tricep Push-down", "tricep pushdown"),
        ("Squats", "squat"),
        ("bench_press", "bench press"),
        ("Romanian-Deadlifts", "romanian deadlift"),
        ("leg raise", "leg raises"),
        ("Plank", "plank"),
        ("pull-ups", "pull up"),
        ("Chest Fly Machine", "chest fly machine"),
        ("bench presses", "bench press"),
        ("None-of-these", "none of these"),
    ],
)
def test_spellings(spelling, meant):
    assert exercise(spelling) == meant


@pytest.mark.parametrize("name", EXERCISES)
def test_every_exercise_is_its_own_spelling(name):
    assert exercise(name) == name
    assert exercise(name.upper().replace(" ", "_")) == name


def test_an_unknown_name_lists_the_known_ones_and_says_how_to_map_it():
    with pytest.raises(InputError, match=r"'kniebeuge' is not one of the 22 exercises \(barbell.*--map"):
        exercise("kniebeuge")


def test_a_mapping_adds_a_spelling():
    assert exercise("Kniebeuge", {"kniebeuge": "squats"}) == "squat"


def test_a_mapping_to_something_unknown_is_refused():
    with pytest.raises(InputError, match="'skwat'"):
        exercise("x", {"x": "skwat"})
