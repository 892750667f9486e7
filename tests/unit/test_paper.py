import numpy as np
import pytest

from gymspotter.labels import PAPER_CLASS_SIZES
from gymspotter.metrics import Spread, spread
from gymspotter.paper import METRICS, TABLE_2, TABLE_3, beside_the_paper, paper_segments, percent, what_reproduces
from gymspotter.splits import leak, split


def papers(table):
    """The paper's own figures as if they were ours, without any spread over seeds."""
    return {
        metric: {model: Spread(mean=getattr(row, metric) / 100, deviation=0.0, runs=5) for model, row in table.items()}
        for metric in METRICS
    }


def test_the_papers_own_figures_reproduce_its_findings():
    sentences = what_reproduces(papers(TABLE_2), papers(TABLE_3), papers(TABLE_2))
    assert [sentence.split(":")[0] for sentence in sentences[:4]] == ["Reproduced"] * 4
    assert "transformer 0.0" in sentences[4]


def test_other_figures_do_not():
    ours = papers(TABLE_2)
    ours["accuracy"] = ours["accuracy"] | {"cnn1d": Spread(mean=0.95, deviation=0.01, runs=5)}
    sentences = what_reproduces(ours, papers(TABLE_2), ours)
    assert all(sentence.startswith("Not reproduced") for sentence in sentences[:4])
    assert "here it is cnn1d" in sentences[0]
    assert "-3.9 points" in sentences[1]


def test_a_table_has_our_figures_beside_the_papers():
    ours = papers(TABLE_2) | {"accuracy": {"mlp": spread([0.8, 0.9])}}
    lines = beside_the_paper(ours, TABLE_2).splitlines()
    assert len(lines) == 3
    assert lines[2] == "| mlp | 27.1 ± 0.0 | 27.12 | 26.1 ± 0.0 | 26.11 | 24.2 ± 0.0 | 24.23 | 85.0 ± 7.1 | 25.32 |"
    assert percent(spread([0.5])) == "50.0"


def test_the_data_have_the_sizes_of_table_1_and_leak_at_random_only():
    segments = paper_segments(share=0.03, seed=1)
    sizes = {name: int((segments.labels == name).sum()) for name in PAPER_CLASS_SIZES}
    assert sizes == {name: round(0.03 * size) for name, size in PAPER_CLASS_SIZES.items()}
    assert np.isfinite(segments.poses).mean() > 0.9
    assert leak((sides := split(segments, "paper")).train, sides.test) > 0.5
    assert leak((sides := split(segments, "group")).train, sides.test) == 0


def test_a_mean_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no values"):
        spread([])
