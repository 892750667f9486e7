"""The model of docs/scaling.md: its fits find what they were given, and its limits are what arithmetic says."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from tests.benchmark_modules import importable

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True, scope="module")
def scaled():
    """The modules of the benchmark."""
    with importable():
        import scaled.figures
        import scaled.fit
        import scaled.model
        import scaled.page
    return scaled


POSE = {
    "decode_s": 60.0,
    "find_s": 30.0,
    "blazepose_s": 400.0,
    "probe_s": 10.0,
    "driver_s": 0.01,
    "store_bytes_frame": 500.0,
}


def test_the_scalability_law_is_found_again(scaled):
    law = scaled.fit.USL(one=0.5, serial=0.02, crosstalk=0.001)
    sizes = [1, 2, 4, 8, 16, 32]
    found = scaled.fit.fit_usl(sizes, [law(n) for n in sizes])
    assert found.one == pytest.approx(0.5)
    assert found.serial == pytest.approx(0.02)
    assert found.crosstalk == pytest.approx(0.001)
    assert law(1) == 0.5


def test_what_scales_perfectly_has_no_serial_part(scaled):
    found = scaled.fit.fit_usl([1, 4, 16], [2.0, 8.0, 32.0])
    assert found == scaled.fit.USL(pytest.approx(2.0), pytest.approx(0.0, abs=1e-9), pytest.approx(0.0, abs=1e-9))
    assert found(1000) == pytest.approx(2000)


def test_two_sizes_do_not_make_a_law(scaled):
    with pytest.raises(ValueError, match="three"):
        scaled.fit.fit_usl([1, 2, 2], [1.0, 2.0, 2.0])


def test_the_latency_curve_is_found_again_and_turned_round(scaled):
    curve = scaled.fit.Latency(idle=3.0, wait=40.0, most=1400.0)
    loads = [100, 300, 600, 800, 1000]
    found = scaled.fit.fit_latency(loads, [curve(n) for n in loads])
    assert found.most == pytest.approx(1400, rel=0.02)
    assert curve(curve.within(100.0)) == pytest.approx(100.0)
    assert curve.within(2.0) == 0
    assert curve(1400) == math.inf


def test_a_line_through_points(scaled):
    assert scaled.fit.fit_line([1, 2, 3], [2.5, 4.5, 6.5]) == (pytest.approx(0.5), pytest.approx(2.0))


def test_cores_beside_the_gpu_limit_it_and_then_the_driver(scaled):
    model = scaled.model
    pose, assumed, prices = model.Pose(**POSE), model.Assumed(node_gbit=100.0), model.Prices()
    one = model.extract_on_gpus(1, pose, assumed, prices)
    assert one.by_cores == pytest.approx(16 * 3600 / 100)
    assert one.by_gpu == pytest.approx(12e12 / (5 * 1.9e9))
    assert one.limit == "cores beside the GPU"
    assert one.jobs == 1
    many = model.extract_on_gpus(100, pose, assumed, prices)
    assert many.unbounded == pytest.approx(100 * one.unbounded)
    assert many.by_driver == pytest.approx(6000)  # 100 spans of a minute a second
    assert many.limit == "the driver"
    assert many.one_job == many.by_driver
    assert many.jobs == math.ceil(57_600 / 4800)
    assert many.hour_cost == pytest.approx(one.hour_cost)
    slow_driver = model.extract_on_gpus(100, replace(pose, driver_s=0.1), assumed, prices)
    assert slow_driver.one_job == pytest.approx(many.one_job / 10)


def test_reading_limits_where_the_network_is_thin(scaled):
    model = scaled.model
    found = model.extract_on_gpus(10, model.Pose(**POSE), model.Assumed(node_gbit=1.0), model.Prices())
    assert found.limit == "reading"
    assert found.unbounded == pytest.approx(3600 * 10 / (2 * 1.8 * 8))


def test_cores_cost_what_they_take(scaled):
    model = scaled.model
    prices = model.Prices(get_per_1000=0.0)
    found = model.extract_on_cores(64, model.Pose(**POSE), model.Assumed(), prices)
    assert found.hour_cost == pytest.approx(410 / 3600 * prices.vcpu_hour)


def test_a_sweep_is_never_shorter_than_its_longest_trial(scaled):
    model = scaled.model
    measured = model.Sweeping(epoch_s_segment={"small": 1e-4, "large": 3e-4}, overhead=1.0, spent=0.5)
    few = model.sweep(1, 100, 1000, 100, measured, model.Assumed(), model.Prices())
    assert few.hours * 3600 == pytest.approx(100 * 0.5 * 20 / 8 + 30)
    many = model.sweep(1000, 100, 1000, 100, measured, model.Assumed(), model.Prices())
    assert many.hours == pytest.approx(many.longest_hours, rel=0.01)
    assert many.busy < 0.02
    assert many.cost > few.cost


def test_sessions_fill_replicas_and_the_keepers_memory(scaled):
    model = scaled.model
    live = model.Live(
        per_replica=1000,
        copy_bytes=10_000,
        sent_bytes_s=1000,
        told_bytes_s=500,
        copy_every_s=4,
        keeper_bytes=5e8,
        pose_s_frame=0.014,
    )
    found = model.serve(1_000_000, live, model.Assumed(headroom=0.5), model.Prices(egress_gb=0.1))
    assert found.replicas == 2000
    assert found.keepers == 20
    assert found.copies_gbit == pytest.approx(20)
    assert found.in_gbit == pytest.approx(8)
    assert found.egress_cost == pytest.approx(1800 * 0.1)
    assert found.pictures_cost == pytest.approx(1e6 * 5 * 0.014 / 0.5 * model.Prices().vcpu_hour)


def test_every_assumption_is_explained(scaled):
    for kind in (scaled.model.Prices, scaled.model.Assumed):
        rows = scaled.model.explained(kind)
        assert [name for name, _, _ in rows] == list(kind.__dataclass_fields__)
        assert all(text and value > 0 for _, value, text in rows)


def test_a_table_goes_between_its_markers_and_nowhere_else(scaled):
    text = "a\n<!-- scaling: x -->old<!-- scaling: end of x -->\nb"
    page = scaled.page.between(text, "x", "new")
    assert page == "a\n<!-- scaling: x -->\n\nnew\n\n<!-- scaling: end of x -->\nb"
    assert scaled.page.between(page, "x", "new") == page
    with pytest.raises(ValueError, match="once"):
        scaled.page.between("nothing", "x", "new")


def test_the_limits_of_the_keeper_are_those_of_the_service():
    from serve.settings import AppSettings
    from serve.streams import keeper

    session = (ROOT / "benchmarks" / "scaled" / "sessions.py").read_text()
    assert f"COPY_SECONDS, KEEPER_BYTES = {AppSettings().copy_seconds}, 512 * 2**20" in session
    assert keeper._MAX_BYTES == 512 * 2**20


def test_the_page_shows_the_committed_figures(scaled):
    text = (ROOT / "docs" / "scaling.md").read_text()
    for name, table in scaled.page.TABLES.items():
        assert scaled.page.between(text, name, table(ROOT / "benchmarks" / "results")) == text, name
