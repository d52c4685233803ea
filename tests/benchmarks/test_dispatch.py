"""The cost of mapping a step: that what is timed are the same steps, and the keys."""

from typing import Any

import numpy as np

from benchmarks import dispatch, input_step, throughput
from configs import tiny


def config_of() -> Any:
    config = tiny.get_config()
    config.data.crop = 32
    config.model.width = config.model.critic_width = 4
    config.model.blocks = 1
    config.train.update({"batch_size": 8, "critic_steps": 1})
    return config


def test_the_whole_batch_is_what_the_devices_share() -> None:
    config = config_of()
    _, feed, _ = input_step.feed_of(config, throughput.random_pairs(32).store)
    feed.place()
    batch = dispatch.whole_batch(feed)
    assert batch["blurred"].shape == (2, 8, 32, 32, 3)
    np.testing.assert_array_equal(batch["index"], np.arange(16).reshape(2, 8))
    assert len(batch["index"].devices()) == 1


def test_measures_and_words() -> None:
    config = config_of()
    config.loss.adversarial_weight = 0.0  # compiles sooner
    found = dispatch.measure(config, 2)
    assert 0 < found["dispatch_s"] < found["step_s"] and found["jit_s"] > 0
    assert 0 <= found["data_share"] < 1 and 0 < found["dispatch_share"] < 1
    words = dispatch.sentences(found | {"devices": 8})
    assert words.startswith("8 devices: ") and "one jitted step on one" in words
