import pytest

from gymspotter.aliases import Move, one_back
from gymspotter.errors import InputError


def moves(*steps):
    """Moves from words such as "+2" (promoted) and "-1" (rolled back to 1)."""
    kinds = {"+": "promotion", "-": "rollback"}
    return [Move(kind=kinds[s[0]], before="", after=s[1:], who="", when="", why="") for s in steps]


@pytest.mark.parametrize(
    ("steps", "before"),
    [
        (("+1", "+2"), "1"),
        (("+1", "+2", "+3", "-2"), "1"),  # what was rolled back is not gone back to
        (("+1", "+2", "+3", "-2", "+4"), "2"),
        (("+1", "+2", "+1"), "2"),  # an old version that was promoted again has one before it
        (("+1", "+2", "-7"), "2"),  # rolled back to what never was the champion
    ],
)
def test_one_step_back_is_the_champion_before(steps, before):
    assert one_back(moves(*steps), steps[-1][1:]) == before


@pytest.mark.parametrize("steps", [(), ("+1",), ("+1", "+2", "+3", "-1")])
def test_before_the_first_champion_there_is_none(steps):
    with pytest.raises(InputError, match="no champion before this one"):
        one_back(moves(*steps), steps[-1][1:] if steps else "")


def test_a_champion_that_was_set_by_hand_is_left_for_the_last_that_is_written():
    assert one_back(moves("+1", "+2"), "9") == "2"
