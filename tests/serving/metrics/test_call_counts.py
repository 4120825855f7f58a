from serving.metrics.call_counts import MethodCalls


def test_calls_that_end_together_count_as_each_by_itself():
    calls = MethodCalls()
    calls.end("OK", 0.5)
    calls.end("OK", 0.25, 4)
    assert (calls.codes, calls.seconds) == ({"OK": 5}, 1.5)
