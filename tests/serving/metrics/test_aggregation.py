from serving.metrics.aggregation import Sums, model_of
from serving.metrics.family import family


def summed(*expositions):
    sums = Sums()
    for each in expositions:
        sums.add(each)
    return sums


def test_samples_of_the_same_name_and_labels_add_up_and_others_stand_beside_them():
    one = family("a_total", "counter", "as", [({"m": "x"}, 2), ({"m": "y"}, 1)]) + family(
        "b", "gauge", "bs", [({}, 0.5)]
    )
    other = family("a_total", "counter", "as", [({"m": "x"}, 3), ({"m": "z"}, 7)]) + family(
        "b", "gauge", "bs", [({}, 1)]
    )
    assert summed(one, other).written() == (
        "# HELP a_total as\n# TYPE a_total counter\n"
        'a_total{m="x"} 5\na_total{m="y"} 1\na_total{m="z"} 7\n'
        "# HELP b bs\n# TYPE b gauge\nb 1.5\n"
    )


def test_what_is_written_is_read_again():
    text = family("a_total", "counter", "a {b} c", [({"m": 'x"} 1\n\\'}, 2), ({}, 1e-7)])
    assert summed(text).written() == text
    assert summed(summed(text).written(), text).written().count("# TYPE") == 1


def test_counters_stay_whole_numbers():
    large = 2**60 + 1
    text = family("a_total", "counter", "as", [({}, large)])
    assert f"a_total {2 * large}\n" in summed(text, text).written()


def test_gauges_and_models_can_be_dropped():
    of = {"model": "m", "version": "1"}
    sums = summed(
        family("a_total", "counter", "as", [(of, 1), ({**of, "version": "2"}, 2), ({"model_count": "m"}, 3)])
        + family("b", "gauge", "bs", [(of, 4)])
    )
    sums.drop(lambda name, version: (name, version) == ("m", "1"), kinds=("gauge",))
    lines = [line for line in sums.written().splitlines() if line[0] != "#"]
    assert lines == ['a_total{model="m",version="2"} 2', 'a_total{model_count="m"} 3']


def test_the_model_of_a_sample_is_told_as_it_is_called():
    name = 'a"b\\n\nc,version="9"'
    (line,) = [
        line
        for line in family("a", "gauge", "", [({"model": name, "version": "3"}, 1)]).splitlines()
        if line[0] != "#"
    ]
    assert model_of(line) == (name, "3")
    assert model_of('a{method="m"} 1') is None


def test_a_name_may_hold_what_looks_like_the_end_of_a_line():
    name = "a\x0b\x0c\r\x1c\x85\u2028\nb"
    text = family("a_total", "counter", "as", [({"model": name, "version": "1"}, 2)])
    sums = summed(text, text)
    assert sums.written().endswith("} 4\n")
    asked = []
    sums.drop(lambda *of: asked.append(of))
    assert asked == [(name, "1")]
