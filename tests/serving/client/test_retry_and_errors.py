import grpc
import pytest

from serving.client import errors
from serving.client.retry import Retry

BUSY = errors.UnavailableError(grpc.StatusCode.UNAVAILABLE, "busy")


def test_pauses_grow_twofold_up_to_the_longest_and_are_spread():
    retry = Retry(attempts=10, first=1.0, longest=4.0)
    for attempt, bound in [(1, 1.0), (2, 2.0), (3, 4.0), (4, 4.0), (9, 4.0)]:
        pauses = [retry.pause(attempt, BUSY, 100.0) for _ in range(200)]
        assert 0 <= min(pauses) < bound / 4
        assert bound * 3 / 4 < max(pauses) <= bound


def test_there_is_no_attempt_after_the_last_or_after_the_deadline():
    assert Retry(attempts=2, first=0).pause(2, BUSY, 100.0) is None
    assert Retry(attempts=2, first=0).pause(1, BUSY, 100.0) == 0
    assert Retry(attempts=2, first=0).pause(1, BUSY, 0.0) is None


def test_the_hint_is_the_least_that_is_waited():
    full = errors.ResourceExhaustedError(grpc.StatusCode.RESOURCE_EXHAUSTED, "full", retry_after=2.0)
    assert 2.0 <= Retry().pause(1, full, 100.0) <= 2.1
    assert Retry().pause(1, full, 1.5) is None


@pytest.mark.parametrize("options", [{"attempts": 0}, {"first": -1}, {"longest": -0.1}])
def test_nonsense_is_refused(options):
    with pytest.raises(ValueError, match="attempts must be 1 or more"):
        Retry(**options)


def test_every_class_of_server_error_has_one_code():
    classes = set(errors.ServerError.__subclasses__())
    assert set(errors.BY_CODE.values()) == classes
    assert len(errors.BY_CODE) == len(classes)
    assert all(issubclass(kind, errors.ClientError) for kind in classes)


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_every_code_becomes_an_error_that_has_it(code):
    class Failure(grpc.RpcError):
        def code(self):
            return code

        def details(self):
            return "why"

        def trailing_metadata(self):
            return (("other", "x"), ("grpc-retry-pushback-ms", "250"))

    error = errors.server_error(Failure())
    assert type(error) is errors.BY_CODE.get(code, errors.ServerError)
    assert (error.code, error.details, error.retry_after) == (code, "why", 0.25)
    assert str(error) == f"{code.name}: why"
