"""What of a pipeline is run again, and why."""

import json

import pytest

from gymspotter.errors import InputError
from gymspotter.stages import GONE, Stages


@pytest.fixture(params=["disk", "s3"])
def folder(request, tmp_path):
    return str(tmp_path / "stages") if request.param == "disk" else request.getfixturevalue("s3")


class Work:
    """Counts how often it was done."""

    def __init__(self, outputs=None):
        self.outputs, self.times = outputs or {"made": 1}, 0

    def __call__(self):
        self.times += 1
        return self.outputs


def test_a_stage_whose_inputs_are_the_same_is_passed_over(folder):
    work, said = Work(), []
    for _ in range(2):
        assert Stages(folder, say=said.append).run("extract", {"videos": ["a", "b"]}, work) == {"made": 1}
    assert work.times == 1
    assert said[0] == "extract: not done yet"
    assert "passed over" in said[-1]


def test_a_tuple_is_the_list_that_it_is_read_as(folder):
    work = Work()
    for _ in range(2):
        Stages(folder).run("extract", {"videos": ("a", "b")}, work)
    assert work.times == 1


def test_what_changed_is_named(folder):
    said = []
    Stages(folder).run("tune", {"data": "1", "trials": 3}, Work())
    Stages(folder, say=said.append).run("tune", {"data": "2", "seed": 0}, Work({"made": 2}))
    assert said[0] == "tune: data, seed, trials changed"
    assert Stages(folder).read("tune").outputs == {"made": 2}


def test_a_stage_whose_product_is_gone_is_run_again(folder):
    work, said = Work(), []
    for _ in range(2):
        Stages(folder, say=said.append).run("extract", {}, work, again=lambda outputs: GONE)
    assert work.times == 2
    assert said[2] == f"extract: {GONE}"


def test_one_that_is_stopped_half_way_is_not_done(folder):
    Stages(folder).run("tune", {"data": "1"}, Work())

    def killed():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Stages(folder).run("tune", {"data": "2"}, killed)
    assert Stages(folder).read("tune") is None
    work = Work()
    Stages(folder).run("tune", {"data": "1"}, work)  # what stood there before it began is none any more
    assert work.times == 1


def test_asked_for_again_it_and_those_after_it_are_run(folder):
    stages = ("extract", "tune", "gate")
    for name in stages:
        Stages(folder).run(name, {}, Work())
    again = Stages(folder, again="tune")
    works = {name: Work() for name in stages}
    for name in stages:
        again.run(name, {}, works[name])
    assert {name: work.times for name, work in works.items()} == {"extract": 0, "tune": 1, "gate": 1}


@pytest.mark.parametrize("broken", ["{", "[]", json.dumps({"inputs": {}})])
def test_a_broken_record_is_named(tmp_path, broken):
    (tmp_path / "tune.json").write_text(broken)
    with pytest.raises(InputError, match=r"tune\.json.*remove it"):
        Stages(str(tmp_path)).run("tune", {}, Work())
