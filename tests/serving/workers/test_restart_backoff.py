from serving.workers.restart_backoff import Backoff


def test_the_first_replacement_does_not_wait_and_each_further_one_waits_twice_as_long():
    backoff = Backoff()
    assert [backoff.pause(0.0) for _ in range(9)] == [0, 0.5, 1, 2, 4, 8, 16, 30, 30]
    assert backoff.failures == 9


def test_the_row_is_broken_by_one_that_worked_for_a_while_and_by_no_shorter_one():
    backoff = Backoff()
    assert [backoff.pause(each) for each in (0.0, 9.9, 10.0, 3.0, 3600.0)] == [0, 0.5, 0, 0.5, 0]


def test_any_number_of_failures_has_a_pause():
    backoff = Backoff()
    assert {backoff.pause(0.0) for _ in range(5000)} == {0, 0.5, 1, 2, 4, 8, 16, 30}
