"""The authors' state dicts: keys, kernels, what is deduced, what is refused, and the way back."""

import dataclasses

import golden_files
import jax
import numpy as np
import numpy_states
import pytest

from deblur_jax import models
from deblur_jax.errors import UserError
from deblur_jax.models import CriticConfig, GeneratorConfig
from deblur_jax.weights import authors

STATE = numpy_states.generator


def error_of(state) -> str:
    with pytest.raises(UserError) as raised:
        authors.read(state, "net.pth")
    assert raised.value.exit_code == 1 and "\n" not in str(raised.value)
    assert "net.pth" in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("second", [5, 6, None])
@pytest.mark.parametrize(("width", "blocks"), [(2, 1), (3, 4), (64, 9)])
def test_width_blocks_and_layout_are_the_files_own(width, blocks, second):
    network = authors.read(STATE(width, blocks, second), "net.pth")
    assert network.config == GeneratorConfig(
        width=width,
        blocks=blocks,
        norm="instance",
        norm_epsilon=1e-5,
        output="clip",
        upsample="transpose",
        dropout=0.0 if second == 5 else 0.5,
        block_convolutions=1 if second is None else 2,
    )
    shapes = jax.eval_shape(lambda: models.init_generator(jax.random.key(0), network.config))
    jax.tree.map(lambda a, s: a.shape == s.shape or pytest.fail(), network.params, shapes)
    year = "2019, one convolution a block" if second is None else "2018, two convolutions a block"
    assert network.layout == f"the authors' generator of {year}"
    assert network.batch_stats == {}


def test_no_blocks_at_all():
    config = authors.read(STATE(2, 0), "net.pth").config
    assert (config.blocks, config.block_convolutions) == (0, 2)


def test_keys_are_pytorchs():
    pytest.importorskip("torch")
    import torch_networks

    for second, options in {
        6: {},
        5: {"dropout": 0.0},
        None: {"block_convolutions": 1},
    }.items():
        network = torch_networks.Generator(2, 3, **options)
        shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
        assert shapes == {key: a.shape for key, a in STATE(2, 3, second).items()}
    shapes = {k: tuple(v.shape) for k, v in torch_networks.Critic(2).state_dict().items()}
    assert shapes == {key: a.shape for key, a in numpy_states.critic(2).items()}


def test_every_tensor_lands_in_its_place():
    """One element of each kind, by hand: OIHW, and IOHW turned by 180 degrees."""
    state = STATE(2, 2)
    params = authors.read(state, "net.pth").params
    assert params["head"]["kernel"][1, 5, 2, 0] == state["model.1.weight"][0, 2, 1, 5]
    assert params["down_1"]["kernel"][2, 0, 3, 7] == state["model.7.weight"][7, 3, 2, 0]
    second = state["model.11.conv_block.6.weight"]
    assert params["block_1_b"]["kernel"][0, 1, 6, 4] == second[4, 6, 0, 1]
    up = params["up_0"]["ConvTranspose_0"]
    assert up["kernel"][0, 2, 5, 1] == state["model.12.weight"][5, 1, 2, 0]
    np.testing.assert_array_equal(up["bias"], state["model.12.bias"])
    assert params["up_1"]["ConvTranspose_0"]["bias"].shape == (2,)
    assert params["tail"]["kernel"][6, 3, 1, 2] == state["model.19.weight"][2, 1, 6, 3]
    score = authors.read(numpy_states.critic(2), "net.pth").params["score"]
    assert score["kernel"][3, 0, 9, 0] == numpy_states.critic(2)["model.11.weight"][0, 9, 3, 0]


def test_a_critic_is_recognised():
    network = authors.read(numpy_states.critic(3), "net.pth")
    assert network.config == CriticConfig(width=3) and network.layout == "the authors' critic"


@pytest.mark.parametrize(
    "state",
    [STATE(2, 2), STATE(2, 2, 5), STATE(2, 2, None), numpy_states.critic(2)],
    ids=["2018", "2018 without dropout", "2019", "critic"],
)
def test_the_way_there_and_back_is_exact(state):
    network = authors.read(state, "net.pth")
    back = authors.state_dict(network.config, network.params)
    parameters = {key: a for key, a in back.items() if "running" not in key and "num" not in key}
    assert list(parameters) == list(state)
    for key, array in state.items():
        np.testing.assert_array_equal(parameters[key], array)
        assert parameters[key].flags.c_contiguous and parameters[key].dtype == np.float32
    assert (len(back) > len(state)) == (getattr(network.config, "block_convolutions", 2) == 1)


def test_2019s_layout_has_the_statistics_that_its_code_wants():
    torch = pytest.importorskip("torch")
    import torch_networks

    network = authors.read(STATE(2, 3, None), "net.pth")
    state = authors.state_dict(network.config, network.params)
    theirs = torch_networks.Generator(2, 3, block_convolutions=1, track_running_stats=True)
    theirs.load_state_dict({key: torch.tensor(value) for key, value in state.items()})  # strict
    assert list(state) == list(theirs.state_dict())


def test_prefix_and_running_statistics_are_passed_over():
    plain = STATE(2, 1)
    tracked = {}
    for key, value in plain.items():
        tracked[f"module.{key}"] = value
        if key.endswith("bias") and not key.startswith("model.18"):
            *place, number, _ = key.split(".")
            norm = "module." + ".".join([*place, str(int(number) + 1)])
            tracked[f"{norm}.running_mean"] = np.full(value.shape, np.nan, np.float32)
            tracked[f"{norm}.running_var"] = np.ones(value.shape, np.float32)
            tracked[f"{norm}.num_batches_tracked"] = np.array(7)
    jax.tree.map(
        np.testing.assert_array_equal,
        authors.read(tracked, "net.pth").params,
        authors.read(plain, "net.pth").params,
    )
    tracked["module.model.4.weight"] = tracked["module.model.4.weight"][:1]
    assert "the key module.model.4.weight has shape (1, 2, 3, 3)" in error_of(tracked)


def test_half_and_double_precision_are_read():
    state = STATE(2, 1)
    for dtype in (np.float16, np.float64):
        params = authors.read({k: a.astype(dtype) for k, a in state.items()}, "net.pth").params
        expected = np.float32(state["model.4.weight"].astype(dtype)).transpose(2, 3, 1, 0)
        np.testing.assert_array_equal(params["down_0"]["kernel"], expected)
        assert {a.dtype for a in jax.tree.leaves(params)} == {np.dtype("float32")}


def test_values_that_are_no_finite_numbers_are_named():
    for value in (np.nan, np.inf, 1e300):
        state = {key: a.astype(np.float64) for key, a in STATE(2, 1).items()}
        state["model.7.bias"][3] = value
        assert "the key model.7.bias has values that are not finite" in error_of(state)
    state = STATE(2, 1) | {"model.7.bias": np.arange(8)}
    assert "the key model.7.bias holds int64, not real numbers" in error_of(state)


def test_partial_and_foreign_files_are_named_with_their_first_wrong_key():
    def without(*keys, width=2, blocks=3):
        return {key: a for key, a in STATE(width, blocks).items() if key not in keys}

    assert "lacks the key model.1.weight of" in error_of(without("model.1.weight", width=64))
    assert "lacks the key model.4.bias of" in error_of(without("model.4.bias"))
    gone = [f"model.11.conv_block.{i}.{kind}" for i in (1, 6) for kind in ("weight", "bias")]
    assert "lacks the key model.11.conv_block.1.weight of" in error_of(without(*gone))
    assert "lacks the key model.11.conv_block.6.bias of" in error_of(without(gone[-1]))
    cut = dict(list(STATE(2, 3).items())[:-3])
    assert "lacks the key model.16.bias of the authors' generator of 2018" in error_of(cut)
    assert "lacks the key model.1.weight" in error_of({})

    shape = STATE(2, 3) | {"model.13.weight": np.zeros((8, 5, 3, 3), np.float32)}
    message = error_of(shape)
    assert "the key model.13.weight has shape (8, 5, 3, 3)" in message
    assert "has (8, 4, 3, 3)" in message
    grey = STATE(2, 3) | {"model.1.weight": np.zeros((2, 1, 7, 7), np.float32)}
    assert "the key model.1.weight has shape (2, 1, 7, 7)" in error_of(grey)

    foreign = {
        "features.0.weight": {"features.0.weight": np.zeros((64, 3, 3, 3))},
        "model.model.0.weight": {"model.model.0.weight": np.zeros((64, 3, 4, 4))},  # the UNet
        "model.10.conv_block.0.weight": STATE(2, 1) | {"model.10.conv_block.0.weight": 0},
    }
    for key, state in foreign.items():
        assert f"the key {key} does not belong to the authors' generator" in error_of(state)
    far = STATE(2, 1) | {"model.999999999.conv_block.1.weight": np.zeros((8, 8, 3, 3))}
    assert "does not belong to the authors' generator" in error_of(far)
    deeper = numpy_states.critic(2) | {"model.14.weight": np.zeros((1, 16, 4, 4))}
    assert "the key model.14.weight does not belong to the authors' critic" in error_of(deeper)


@pytest.mark.parametrize("second", [5, 6, None])
def test_a_file_without_its_last_blocks_lacks_their_keys(second):
    for gone in (("12",), ("11", "12"), ("10", "11", "12")):
        state = {key: a for key, a in STATE(2, 3, second).items() if key.split(".")[1] not in gone}
        message = error_of(state)
        assert f"lacks the key model.{gone[0]}.conv_block.1.weight of" in message
        assert "width 2" in message


def test_a_convolution_in_a_norms_place_is_no_batch_norm():
    state = STATE(2, 3)
    for key in ("model.12.conv_block.1", "model.12.conv_block.6", "model.20"):
        del state[f"{key}.weight"], state[f"{key}.bias"]
    for first in (list(state), list(state)[::-1]):  # also where the bias comes first
        message = error_of({key: state[key] for key in first})
        assert "batch norm" not in message
        assert "the key model.13." in message or "the key model.16." in message
        assert "does not belong to the authors' generator of 2018" in message


def test_what_is_missing_is_named_before_shapes_that_follow_from_it():
    for state, key in (
        (STATE(2, 3), "model.1.weight"),
        (numpy_states.critic(2), "model.0.weight"),
    ):
        del state[key]
        assert f"lacks the key {key} of" in error_of(state)


def test_a_batch_norm_is_named():
    state = {}
    for key, value in STATE(2, 1).items():
        if key.endswith("weight"):  # with batch norm the authors' convolutions have no bias
            state[key] = value
            if key == "model.1.weight":
                state |= {"model.2.weight": np.ones(2), "model.2.bias": np.zeros(2)}
    assert "the key model.2.weight is a batch norm's" in error_of(state)


def test_a_shape_of_any_size_is_refused_without_the_memory_for_it():
    huge = np.broadcast_to(np.float32(0), (2_000_000, 3, 7, 7))
    assert "the key model.4.weight has shape" in error_of(
        STATE(2, 1) | {"model.1.weight": huge, "model.1.bias": huge[:, 0, 0, 0]}
    )


def test_networks_that_the_layout_cannot_hold_are_refused():
    base = GeneratorConfig(width=2, blocks=1)
    for field, value in {
        "norm": "batch",
        "norm_epsilon": 1e-3,
        "upsample": "resize_conv",
        "downsample": "same",
    }.items():
        config = dataclasses.replace(base, **{field: value})
        with pytest.raises(UserError, match=f"with {field} .* alone, and this one's is {value!r}"):
            authors.state_dict(config, {})
    with pytest.raises(UserError, match="with generator 'resnet' alone"):
        authors.state_dict(GeneratorConfig(generator="unshuffle", norm="none"), {})
    with pytest.raises(UserError, match="with last_convolution True alone"):
        authors.state_dict(CriticConfig(last_convolution=False), {})


def test_the_golden_states_come_from_pytorch_and_are_read():
    for name, convolutions in (("generator_2018", 2), ("generator_2019", 1)):
        state = golden_files.load(name)["state"]
        assert authors.read(state, name).config.block_convolutions == convolutions
