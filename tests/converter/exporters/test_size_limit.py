"""A model too large for a format is refused before any work, with the format to choose."""

import pytest

from converter.errors import UnsupportedError
from converter.exporters.target_formats import TARGETS, get_target


@pytest.mark.parametrize("name", ["onnx", "tflite"])
def test_over_two_gigabytes_the_error_names_a_format_that_can(name):
    with pytest.raises(UnsupportedError, match="--to saved_model") as caught:
        get_target(name).require_room(2**31)
    assert caught.value.exit_code == 4
    assert "2.1 GB" in str(caught.value)


@pytest.mark.parametrize("name", ["saved_model", "keras"])
def test_formats_of_several_files_have_no_such_limit(name):
    get_target(name).require_room(2**33)


def test_what_fits_is_taken_by_every_format():
    for target in TARGETS.values():
        target.require_room(2**30)
