from dataclasses import replace

import numpy as np
import pytest

from gymspotter.compare import compare
from gymspotter.errors import InputError
from gymspotter.policy import Policy, Traits, judge, read_policy

TRAITS = Traits(calibration_error=0.05, unknown_auroc=0.9, milliseconds=1.0, parameters=80_000)
TRUTH = np.arange(400) % 4


def comparison(champion_wrong, challenger_wrong):
    """Every n-th answer is wrong; 0 for none."""

    def answers(every):
        return np.where((np.arange(400) % every == 0) if every else False, (TRUTH + 1) % 4, TRUTH)

    groups = np.arange(400).astype(str)
    return compare(TRUTH, answers(champion_wrong), answers(challenger_wrong), groups=groups, classes="abcd")


def failed(verdict):
    return [check.name for check in verdict.checks if not check.holds]


def test_a_better_one_passes_and_a_worse_one_does_not():
    assert judge(comparison(5, 21), TRAITS, TRAITS, Policy()).promote
    verdict = judge(comparison(21, 5), TRAITS, TRAITS, Policy())
    assert not verdict.promote
    assert "gain" in failed(verdict)
    assert "macro F1 -0.15" in verdict.checks[0].sentence


def test_an_uncertain_gain_is_not_enough():
    groups = np.repeat(["one", "two", "three", "four"], 100)
    champion = np.where(np.arange(400) < 110, (TRUTH + 1) % 4, TRUTH)
    challenger = np.where((np.arange(400) >= 200) & (np.arange(400) < 300), (TRUTH + 1) % 4, TRUTH)
    found = compare(TRUTH, champion, challenger, groups=groups, classes="abcd")
    assert found.gain.value > 0
    assert failed(judge(found, TRAITS, TRAITS, Policy())) == ["gain"]
    assert judge(found, TRAITS, TRAITS, Policy(margin=1.0)).promote


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("calibration", {"calibration_error": 0.08}),
        ("unknown", {"unknown_auroc": 0.85}),
        ("latency", {"milliseconds": 1.6}),
        ("size", {"parameters": 200_000}),
    ],
)
def test_each_trait_may_get_only_a_little_worse(name, change):
    verdict = judge(comparison(5, 21), TRAITS, replace(TRAITS, **change), Policy())
    assert failed(verdict) == [name]


def test_a_class_that_is_lost_is_named():
    answers = np.where(TRUTH == 2, 0, TRUTH)
    champion = np.where(np.arange(400) % 3 == 0, (TRUTH + 1) % 4, TRUTH)
    found = compare(TRUTH, champion, answers, groups=np.arange(400).astype(str), classes="abcd")
    (check,) = [check for check in judge(found, TRAITS, TRAITS, Policy()).checks if check.name == "classes"]
    assert not check.holds
    assert "c 0.66 to 0.00" in check.sentence or "c 0.67 to 0.00" in check.sentence
    assert judge(found, TRAITS, TRAITS, Policy(class_support=101)).checks[1].holds


def test_a_policy_comes_from_a_file(tmp_path):
    file = tmp_path / "policy.yaml"
    file.write_text("latency: 3\ngain: 0.01\n")
    assert read_policy(file) == Policy(latency=3, gain=0.01)
    file.write_text("")
    assert read_policy(file) == Policy()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("speed: 3", "'speed' is not a field: use gain"),
        ("latency: fast", "latency is 'fast': use a number"),
        ("class_support: 2.5", "class_support is 2.5: use a whole number"),
        ("latency: -1", "use more than 0"),
        ("class_drop: 2", "use 0 to 1"),
        ("- latency", "is no list of fields"),
        ("a: [", "cannot be read"),
        ("!!python/object/apply:os.system ['true']", "cannot be read"),
    ],
)
def test_a_bad_policy_is_refused(tmp_path, text, sentence):
    file = tmp_path / "policy.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=sentence):
        read_policy(file)
