import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from gymspotter.cli import main
from gymspotter.errors import InputError
from gymspotter.sweeps.record import page_address, read_sweep
from gymspotter.sweeps.report import ReportOptions, report
from gymspotter.tracking import use_store
from tests.sweeps import EPOCHS, EVIL, RecordedSweep


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A whole sweep, one under way with a single trial, one just begun, and two of one name."""
    folder = tmp_path_factory.mktemp("store")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    use_store(uri)
    whole = RecordedSweep(uri, folder / "artifacts", "whole")
    best = whole.trials()
    whole.failures()
    whole.finals(best, without=[("rnn", "plank-half")])
    whole.winner(best, ("spotter", "plank-half"), "transformers, all models", "3")
    whole.end()
    under_way = RecordedSweep(uri, folder / "artifacts", "under-way")
    under_way.child("only", under_way.point("mlp", "none"), epochs=2, status="RUNNING")
    RecordedSweep(uri, folder / "artifacts", "begun")
    for trials in (1, 2):
        twice = RecordedSweep(uri, folder / "artifacts", "twice")
        for number in range(trials):
            twice.child(f"trial-{number}", twice.point("mlp", "none"))
    return uri


@pytest.fixture(scope="module")
def whole(store, tmp_path_factory):
    """The whole sweep's page."""
    out = tmp_path_factory.mktemp("report") / "made" / "page.html"
    return Path(report(ReportOptions(sweep="whole", tracking_uri=store, out=str(out)))).read_text()


class Tables(HTMLParser):
    """The text of every cell of every table, row by row, by the heading above; and whether all tags are closed."""

    def __init__(self, made):
        super().__init__()
        self.heading, self.tables, self.open, self.text = "", {}, [], ""
        self.feed(made)

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "img"):
            self.open.append(tag)
        if tag in ("h2", "td", "th"):
            self.text = ""
        if tag == "tr":
            self.tables.setdefault(self.heading, []).append([])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag == "h2":
            self.heading = self.text
        if tag in ("td", "th"):
            self.tables[self.heading][-1].append(self.text)

    def handle_data(self, data):
        self.text += data


def rows(made, heading):
    (found,) = [rows for name, rows in Tables(made).tables.items() if name.startswith(heading)]
    return {row[0]: row[1:] for row in found[1:]}


def test_what_was_recorded_is_read(store):
    record = read_sweep(use_store(store), "whole")
    assert len(record.trials) == 40
    assert len(record.finalists) == 17
    assert (record.space, record.metrics["leak_random"]) == ("models: [mlp, spotter]\n", 0.873)
    trial = next(t for t in record.trials if t.key == "spotter-none-1")
    assert trial.point.keys() >= {"model", "undersample", "learning_rate", "align_facing", "spotter.heads"}
    assert {type(trial.point[n]) for n in ("learning_rate", "frames", "align_facing")} == {float, int, bool}
    assert [number for number, _ in trial.epochs] == list(range(1, EPOCHS + 1))
    assert read_sweep(use_store(store), record.run_id) == record


def test_the_page_is_whole_and_needs_no_network(whole):
    parsed = Tables(whole)
    assert not parsed.open
    assert not re.search(r'src="(?!data:image/png)|<link|@import|url\(', whole)
    assert {re.match(r"http://[^/]+", address)[0] for address in re.findall(r'href="([^"]+)', whole)} == {
        "http://127.0.0.1:5000"
    }
    pictures = re.findall(r"<img[^>]*>", whole)
    assert len(pictures) == 4
    assert all(re.search(r'alt="[^"]{20,}"', picture) for picture in pictures)


def test_what_runs_say_of_themselves_stays_text(whole):
    assert "<script" not in whole
    assert rows(whole, "What was searched")["device"] == [EVIL]
    assert rows(whole, "Failed trials")["mlp none"][1] == EVIL


def test_the_leaderboard_has_mean_and_spread_and_the_winners_version(whole):
    board = rows(whole, "Leaderboard")
    assert len(board) == 17
    (winner,) = [name for name in board if "version" in name]
    assert winner.startswith("spotter plank-half won transformers, all models: version 3")
    assert board[winner][:6] == ["91.0 ± 1.0", "86.0 ± 1.0", "88.0 ± 1.0", "3.4 ± 0.0", "24.0", "3"]
    assert list(board)[-1].startswith("mlp")


def test_the_papers_tables_stand_beside_ours(whole):
    second, third = rows(whole, "The paper's Table 2"), rows(whole, "The paper's Table 3")
    assert second["transformer"] == [
        "75.0 ± 1.0", "91.82", "77.0 ± 1.0", "90.77", "76.0 ± 1.0", "88.94", "78.0 ± 1.0", "91.07",
    ]  # fmt: skip
    assert third["transformer"][1] == "91.30"
    assert second["rnn"][0] == "35.0 ± 1.0"
    assert third["rnn"][0] == "not a finalist"
    assert second["bilstm"][:2] == ["not a finalist", "30.87"]
    assert second["spotter"][:2] == ["85.0 ± 1.0", "–"]


def test_leak_failures_and_links_are_told(whole, store):
    assert list(rows(whole, "Leak").values()) == [["0.0%"], ["87.3%"]]
    assert list(rows(whole, "Failed trials")) == ["mlp none", "rnn none"]
    record = read_sweep(use_store(store), "whole")
    assert all(f'href="{record.address}{run.run_id}"' in whole for run in record.runs)
    assert f"mlflow ui --backend-store-uri {store}" in whole
    assert "out of bag" in whole


@pytest.mark.parametrize("sweep", ["under-way", "begun"])
def test_a_sweep_under_way_has_a_page_too(store, tmp_path, sweep, capsys):
    made = Path(report(ReportOptions(sweep=sweep, tracking_uri=store, out=str(tmp_path / "page.html")))).read_text()
    assert "The sweep has not ended" in capsys.readouterr().out
    for sentence in ("There are no finalists yet", "it takes two trials", "it takes 10 trials", "Not measured yet"):
        assert sentence in made
    assert rows(made, "The paper's Table 2")["mlp"][0] == "not a finalist"
    assert ("No epoch is recorded yet" in made) == (sweep == "begun")


def test_of_two_sweeps_of_one_name_the_latest_is_told_of_and_the_other_named(store, tmp_path, capsys):
    record = read_sweep(use_store(store), "twice")
    assert len(record.trials) == 2
    report(ReportOptions(sweep="twice", tracking_uri=store, out=str(tmp_path / "page.html")))
    assert f"2 sweeps are called twice; this is the latest. The ids of the others: {record.others[0]}." in (
        capsys.readouterr().out
    )
    assert len(read_sweep(use_store(store), record.others[0]).trials) == 1


def test_an_unknown_sweep_is_one_sentence_that_names_what_there_is(store, capsys):
    with pytest.raises(SystemExit):
        main(["report", "nobody's", "--tracking-uri", store])
    error = capsys.readouterr().err
    assert "which holds begun, twice, under-way, whole: name one of those" in error
    assert error.count("\n") == 1


def test_a_page_that_cannot_be_written_is_one_sentence(store, tmp_path):
    with pytest.raises(InputError, match=r"out: .* is a folder: name a file"):
        report(ReportOptions(sweep="whole", tracking_uri=store, out=str(tmp_path)))


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("https://me:secret@host:8443/mlflow/", "https://host:8443/mlflow/#/experiments/7/runs/"),
        ("postgresql://me:secret@host/db", "http://127.0.0.1:5000/#/experiments/7/runs/"),
    ],
)
def test_links_lead_to_the_server_and_never_hold_a_password(uri, address):
    assert page_address(uri, "7") == address
