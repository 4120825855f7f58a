import pytest

from serving.errors import ModelLoadError
from serving.services.open_inference import config_message

WARMUP = 'model_warmup [{ name: "w" batch_size: %d count: %d inputs { key: "x" value { dims: [ %s ] } } }]'


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("dynamic_batching { priority_levels: 4294967295 default_priority_level: 1 }", "priority_levels 4294967295"),
        ("dynamic_batching { max_queue_delay_microseconds: 18446744073709551615 }", "max_queue_delay_microseconds"),
        ("instance_group [{ count: 2147483647 }]", "instance_group.count 2147483647"),
        ("instance_group [{ count: 200 }, { count: 200 }]", "instance_group.count 400"),
        ("max_batch_size: 2147483647", "max_batch_size 2147483647"),
        (WARMUP % (1, 4_000_000_000, "3"), "model_warmup.count"),
        (WARMUP % (1, 1, "2147483647, 2147483647"), "model_warmup.inputs.dims"),
        (WARMUP % (2**31, 1, "1"), "model_warmup.inputs.dims"),
    ],
)  # fmt: skip
def test_a_config_that_asks_for_too_much_is_refused_with_the_field(text, field):
    with pytest.raises(ModelLoadError, match=r"it may be \d+ at most") as error:
        config_message.parse(text)
    assert field in str(error.value)


def test_what_people_ask_for_is_far_below_the_limits():
    config = config_message.parse(
        "max_batch_size: 4096 instance_group [{ count: 64 }]"
        "dynamic_batching { priority_levels: 10 default_priority_level: 5 max_queue_delay_microseconds: 60000000 }"
    )
    assert (config.max_batch_size, config.instances, config.batching.levels) == (4096, 64, 10)
