import numpy as np
import pytest

from gymspotter.sweeps.plots import axis_of, coordinates_figure, cost_figure, curves_figure
from gymspotter.sweeps.results import SweepRun


def trial(number, f1, **more):
    point = {"model": "mlp" if number % 2 else "rnn", "undersample": "none", "learning_rate": 10.0 ** -(number + 1)}
    given = {"kind": "trial", "status": "FINISHED", "epochs": ((1, f1 / 2), (2, f1))} | more
    metrics = {"best_validation_macro_f1": f1, "seconds": 3.0 * (number + 1)}
    return SweepRun(run_id=str(number), key=str(number), point=point, metrics=metrics, **given)


def test_an_axis_of_words_names_each_in_order_and_bools_are_words():
    axis = axis_of("undersample", ["none", "to-median", "none", "plank-half"])
    assert list(axis.ticks.values()) == ["none", "plank-half", "to-median"]
    assert axis.at.tolist() == pytest.approx([1 / 6, 5 / 6, 1 / 6, 1 / 2])
    assert list(axis_of("align", [True, False]).ticks.values()) == ["False", "True"]


def test_few_numbers_are_all_named_in_the_order_of_their_size():
    assert list(axis_of("frames", [60, 15, 30, 15]).ticks.values()) == ["15", "30", "60"]


def test_a_wide_range_is_logarithmic_and_a_narrow_one_is_not():
    wide = axis_of("rate", list(np.geomspace(1e-4, 1e-2, 9)))
    assert wide.at.tolist() == pytest.approx(np.linspace(0, 1, 9))
    assert wide.name == "rate\n(log)"
    narrow = axis_of("augment", list(np.linspace(0, 1, 9)))
    assert narrow.at.tolist() == pytest.approx(np.linspace(0, 1, 9))
    assert narrow.name == "augment"


def test_what_a_trial_does_not_have_is_a_gap():
    assert np.isnan(axis_of("frames", [60, None, 15]).at).tolist() == [False, True, False]


def test_every_trial_is_a_line_and_those_ended_early_are_thin():
    figure = coordinates_figure([trial(0, 0.2), trial(1, 0.5, stopped="early"), trial(2, 0.9)])
    (lines,) = figure.axes[0].collections
    assert len(lines.get_segments()) == 3
    assert sorted(lines.get_linewidths())[0] < sorted(lines.get_linewidths())[1]
    assert lines.get_array().tolist() == [0.2, 0.5, 0.9]


def test_cost_is_on_a_log_axis_with_a_point_a_trial_and_the_front():
    (axes,) = cost_figure([trial(0, 0.5), trial(1, 0.4), trial(2, 0.9)]).axes
    assert axes.get_xscale() == "log"
    *points, line = axes.lines
    assert len(points) == 3
    assert line.get_xydata().tolist() == [[3.0, 0.5], [9.0, 0.9]]


def test_a_model_has_its_own_learning_curves_which_end_where_its_trials_did():
    figure = curves_figure([trial(0, 0.5), trial(1, 0.4, stopped="early", epochs=((1, 0.4),)), trial(3, 0.6)])
    first, second = figure.axes
    assert [axes.get_title() for axes in (first, second)] == ["mlp", "rnn"]
    assert sorted(len(line.get_xdata()) for line in first.lines if line.get_color() != "#e6e8eb") == [1, 1, 2]
