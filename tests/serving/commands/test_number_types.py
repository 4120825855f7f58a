"""Numbers on the command line: what a library would fail with is a usage error, which names the option."""

import pytest

from serving.cli import main, parser

HUGE = "9" * 5000

WRONG = [
    ("serve", "--max-message-size", ("2048", "999999999999", HUGE, "0", "-1", "1e3", "nan", "")),
    ("serve", "--drain-seconds", ("0", "-1", "1.5", "inf", "31536001", HUGE)),
    ("serve", "--lame-duck-seconds", ("-1", "nan", "inf", "1e300", "31536001", HUGE)),
    ("serve", "--repository-poll-secs", ("0", "-0.5", "nan", "-inf", "1e10")),
    ("serve", "--workers", ("0", "-1", "1025", HUGE)),
    ("serve", "--port", ("-1", "65536", HUGE, "nan")),
    ("serve", "--metrics-port", ("-1", "65536", "1e3")),
    ("predict", "--timeout", ("0", "-1", "nan", "inf", "1e300", HUGE)),
    ("predict", "--benchmark", ("0", "nan", "inf", "1e10")),
    ("predict", "--concurrency", ("0", "10001", HUGE, "1.5")),
    ("health", "--timeout", ("0", "-1", "nan", "inf", "1e300", "soon", HUGE)),
]

POSITIONAL = {"serve": ["x"], "predict": ["x", "--input", "y"], "health": []}


@pytest.mark.parametrize(
    ("command", "option", "value"),
    [(command, option, value) for command, option, values in WRONG for value in values],
    ids=lambda value: value[:20] or "nothing",
)
def test_a_number_out_of_its_range_is_a_usage_error_that_names_the_option(command, option, value, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, *POSITIONAL[command], f"{option}={value}"])
    assert ended.value.code == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(f"plainserve {command}: error: argument {option}: ")
    assert len(line) < 200


@pytest.mark.parametrize(
    ("command", "option", "values"),
    [
        ("serve", "--max-message-size", (1, 2047)),
        ("serve", "--drain-seconds", (1, 31536000)),
        ("serve", "--lame-duck-seconds", (0, 0.5, 31536000)),
        ("serve", "--workers", (1, 1024)),
        ("serve", "--port", (0, 65535)),
        ("predict", "--timeout", (1e-3, 31536000)),
        ("predict", "--concurrency", (1, 10000)),
        ("health", "--timeout", (1e-3, 5)),
    ],
)
def test_numbers_at_the_ends_of_their_range_are_taken(command, option, values):
    for value in values:
        options = parser().parse_args([command, *POSITIONAL[command], f"{option}={value}"])
        assert getattr(options, option[2:].replace("-", "_")) == value


def test_an_error_says_what_may_be_typed(capsys):
    with pytest.raises(SystemExit):
        main(["serve", "x", "--max-message-size", "2048"])
    assert "argument --max-message-size: 2048 is not between 1 and 2047" in capsys.readouterr().err
