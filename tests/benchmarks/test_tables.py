"""The tables of a comparison and the page they are written into."""

import pytest

from benchmarks import page
from benchmarks.load.sample import Sample, percentile
from benchmarks.rounds import Results
from benchmarks.tables import details, ratios
from benchmarks.workloads import WORKLOADS


def results(absent=None):
    ours = [Sample(rate, 50e-6, 0.002, 80_000_000) for rate in (2000, 4000, 6000)]
    theirs = [Sample(rate, 100e-6, 0.004, 90_000_000) for rate in (1000, 4000, 2000)]
    return Results(WORKLOADS[0], {"plainserve": ours, "other": theirs}, absent or {})


def test_a_ratio_is_the_median_of_the_ratios_of_the_rounds():
    assert ratios([results()], "plainserve").splitlines() == [
        "| workload     |      other |",
        "|--------------|-----------:|",
        "| 1 connection | 2.00, 0.50 |",
    ]


def test_details_have_medians_quartiles_and_the_highest_memory():
    row = details(results(), "plainserve").splitlines()[3]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == ["other", "2,000", "1,500 to 3,000", "100", "4.0", "90", "2.00", "0.50"]


def test_what_is_absent_is_said():
    assert "- Triton: is not installed" in details(results({"Triton": "is not installed"}), "plainserve")


def test_a_workload_without_our_server_has_no_ratios():
    found = results()
    del found.samples["plainserve"]
    assert ratios([found], "plainserve").count("\n") == 1
    assert "| other" in details(found, "plainserve")


def test_a_percentile_is_a_value_that_was_measured():
    assert percentile([float(each) for each in range(1, 101)]) == 100
    assert percentile([3.0]) == 3


def test_only_what_is_between_the_markers_is_replaced(tmp_path):
    file, picture = tmp_path / "performance.md", tmp_path / "performance.svg"
    file.write_text(f"before\n\n{page.BEGIN}\n\nold\n\n{page.END}\n\nafter\n")
    page.write(page.text([results()], "plainserve", 3, 1.0), [results()], file, picture)
    text = file.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\n\nafter\n")
    assert "old" not in text
    assert "2.00, 0.50" in text
    assert "performance.svg" in text
    assert picture.read_text().lstrip().startswith("<?xml")


def test_a_page_without_markers_is_left_alone(tmp_path):
    file = tmp_path / "performance.md"
    file.write_text("text")
    with pytest.raises(ValueError, match="needs the lines"):
        page.write("new", [results()], file, tmp_path / "performance.svg")
    assert file.read_text() == "text"


def test_the_page_has_the_markers():
    text = page.PAGE.read_text()
    assert text.count(page.BEGIN) == text.count(page.END) == 1
