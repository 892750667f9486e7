"""The dashboard asks for what the service counts, by the names under which Ray gives it to Prometheus."""

import json
import re
from pathlib import Path

from serve.metrics import DECLARED

DASHBOARD = json.loads((Path(__file__).parents[3] / "cluster" / "grafana" / "gymspotter.json").read_text())
OF_RAY = {"ray_component_rss_bytes"}
NO_LABEL = {"le", "WorkerId", "Component"}


def exported():
    """Every series by its name in Prometheus, with the labels that we give it."""
    names = {}
    for declared in DECLARED:
        ends = ("_bucket", "_sum", "_count") if declared.kind == "histogram" else ("",)
        names |= {f"ray_{declared.name}{end}": set(declared.tags) for end in ends}
    return names


def queries():
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def test_every_series_that_is_asked_for_is_one_that_is_counted():
    asked = {name for query in queries() for name in re.findall(r"\bray_\w+", query)}
    assert asked - OF_RAY <= set(exported())
    annotations = [name for one in DASHBOARD["annotations"]["list"] for name in re.findall(r"\bray_\w+", one["expr"])]
    assert set(annotations) <= set(exported())


def test_everything_that_is_counted_is_shown():
    shown = " ".join(queries())
    assert [declared.name for declared in DECLARED if f"ray_{declared.name}" not in shown] == []


def test_what_is_grouped_by_is_a_label_of_the_series():
    for query in queries():
        labels = {label.strip() for group in re.findall(r"by \(([^)]*)\)", query) for label in group.split(",")}
        known = set().union(*(exported().get(name, set()) for name in re.findall(r"\bray_\w+", query)))
        assert labels <= known | NO_LABEL, query


def test_counters_and_histograms_are_asked_for_their_rate_and_gauges_are_not():
    kinds = {f"ray_{declared.name}": declared.kind for declared in DECLARED}
    for query in queries():
        for name in re.findall(r"\bray_gymspotter_\w+", query):
            kind = kinds.get(name, "histogram")
            assert bool(re.search(rf"(rate|increase)\({name}\b", query)) == (kind != "gauge"), query


def test_the_panels_do_not_overlap_and_the_datasource_is_chosen_on_import():
    taken = set()
    for panel in DASHBOARD["panels"]:
        x, y, w, h = (panel["gridPos"][key] for key in "xywh")
        cells = {(column, row) for column in range(x, x + w) for row in range(y, y + h)}
        assert not cells & taken, panel["title"]
        assert x + w <= 24
        taken |= cells
        assert panel["datasource"]["uid"] == "${datasource}"
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    assert [variable["type"] for variable in DASHBOARD["templating"]["list"]] == ["datasource"]
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
