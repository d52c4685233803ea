"""`deblur-jax import-weights` and `export-weights`: what they write, say, refuse and skip."""

import hashlib
import json
import os

import golden_files
import jax
import numpy as np
import pytest

from deblur_jax import cli, models
from deblur_jax.models import CriticConfig, GeneratorConfig
from deblur_jax.weights import authors, registry
from deblur_jax.weights.checkpoints import Checkpoints


def import_weights(*arguments):
    return cli.main(["import-weights", *map(str, arguments)])


def export_weights(*arguments):
    return cli.main(["export-weights", *map(str, arguments)])


def save_pth(path, state, **options):
    torch = pytest.importorskip("torch")
    torch.save({key: torch.tensor(value) for key, value in state.items()}, path, **options)
    return path


def count_of(state):
    return sum(array.size for array in state.values())


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def h5(tmp_path):
    weights = golden_files.load("keras_resize_conv")["weights"]
    return golden_files.write_h5(tmp_path / "in" / "generator.h5", weights)


def test_a_keras_file_is_imported_as_it_is(tmp_path, capsys, h5):
    golden = golden_files.load("keras_resize_conv")
    output = tmp_path / "out" / "port.safetensors"
    assert import_weights(h5, "--output", output) == 0
    weights = registry.load(output)
    x = golden["input"]
    restored = jax.jit(
        lambda p, s: models.apply_generator(p, x, weights.config, batch_stats=s)
    )(weights.params, weights.batch_stats)  # fmt: skip
    np.testing.assert_allclose(restored, golden["average"], atol=4e-5)
    np.testing.assert_array_equal(
        weights.params["head"]["kernel"], golden["weights"]["conv2d_1/kernel:0"]
    )
    assert weights.card == {
        "source": "generator.h5",
        "source_sha256": sha256(h5),
        "layout": "the generator of the Keras port, resize convolutions",
        "licence": "not stated in the file: that of whoever trained these weights",
    }
    moving = count_of({k: a for k, a in golden["weights"].items() if "/moving_" in k})
    learned = count_of(golden["weights"]) - moving
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        f"{h5}: the generator of the Keras port, resize convolutions, width 4, 2 blocks, "
        f"{learned:,} parameters and {moving} moving averages, output mode average",
        f"{output}: written, sha256 {sha256(output)}",
    ]
    assert not said.err


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize(
    ("year", "words"),
    [
        ("2018", "2018, two convolutions a block, width 4, 2 blocks"),
        ("2019", "2019, one convolution a block, width 4, 2 blocks"),
    ],
)
def test_both_layouts_of_the_authors_are_imported(tmp_path, capsys, year, words, zipped):
    golden = golden_files.load(f"generator_{year}")
    path = save_pth(
        tmp_path / "latest_net_G.pth", golden["state"], _use_new_zipfile_serialization=zipped
    )
    output = tmp_path / "g.safetensors"
    assert import_weights(path, "--output", output) == 0
    weights = registry.load(output)
    expected = authors.read(golden["state"], "golden")
    assert weights.config == expected.config and weights.config.output == "clip"
    jax.tree.map(np.testing.assert_array_equal, weights.params, expected.params)
    assert (weights.card["source"], weights.card["source_sha256"]) == (path.name, sha256(path))
    line = capsys.readouterr().out.splitlines()[0]
    count = f"{count_of(golden['state']):,} parameters"
    assert line == f"{path}: the authors' generator of {words}, {count}, output mode clip"


def test_the_output_mode_can_be_said(tmp_path, capsys, h5):
    output = tmp_path / "port.safetensors"
    assert import_weights(h5, "--output", output, "--output-mode", "tanh") == 0
    assert registry.load(output).config.output == "tanh"
    assert "output mode tanh" in capsys.readouterr().out
    assert import_weights(h5, "--output", tmp_path / "x", "--output-mode", "sum") == 2
    assert not (tmp_path / "x").exists()


def test_a_critic_is_written_as_a_critic(tmp_path, capsys):
    state = golden_files.load("critic")["state"]
    path, output = save_pth(tmp_path / "latest_net_D.pth", state), tmp_path / "d.safetensors"
    assert import_weights(path, "--output", output) == 0
    weights = registry.load_critic(output)
    assert weights.config == CriticConfig(width=4)
    jax.tree.map(
        np.testing.assert_array_equal, weights.params, authors.read(state, "golden").params
    )
    line = capsys.readouterr().out.splitlines()[0]
    assert line == f"{path}: the authors' critic, width 4, {count_of(state):,} parameters"
    with pytest.raises(registry.UserError, match="holds a critic, not a generator"):
        registry.load(output)
    again = tmp_path / "again.pth"
    assert export_weights(output, "--output", again) == 0
    assert capsys.readouterr().out == f"{again}: the authors' critic\n"
    assert import_weights(path, "--output", tmp_path / "e", "--output-mode", "clip") == 2
    assert "holds a critic, which has no output mode" in capsys.readouterr().err


def test_what_exists_is_skipped_unless_overwrite(tmp_path, capsys, h5):
    output = tmp_path / "port.safetensors"
    output.write_text("mine")
    assert import_weights(h5, "--output", output) == 0
    assert output.read_text() == "mine"
    said = capsys.readouterr().out
    assert said == f"{output}: exists and was skipped (--overwrite replaces it)\n"
    assert import_weights(h5, "--output", output, "--overwrite") == 0
    assert registry.load(output).config.norm == "batch"


def test_the_way_back_is_exact(tmp_path, capsys):
    torch = pytest.importorskip("torch")
    for year, convolutions in (("2018", 2), ("2019", 1)):
        state = golden_files.load(f"generator_{year}")["state"]
        path = save_pth(tmp_path / f"{year}.pth", state)
        ours, back = tmp_path / f"{year}.safetensors", tmp_path / f"{year}_back.pth"
        assert import_weights(path, "--output", ours) == 0
        capsys.readouterr()
        assert export_weights(ours, "--output", back) == 0
        said = capsys.readouterr().out
        assert said == f"{back}: the authors' generator of {year}; restores with --learn_residual\n"
        loaded = torch.load(back, weights_only=True)
        for key, value in state.items():
            np.testing.assert_array_equal(loaded[key].numpy(), value)
        assert (set(loaded) == set(state)) == (convolutions == 2)
        again = tmp_path / f"{year}_again.safetensors"
        assert import_weights(back, "--output", again) == 0
        first, second = registry.load(ours), registry.load(again)
        assert first.config == second.config
        jax.tree.map(np.testing.assert_array_equal, first.params, second.params)
    assert export_weights(ours, "--output", back) == 0
    assert "was skipped" in capsys.readouterr().out


def run_with_critic(workdir, critic, config):
    checkpoints = Checkpoints(workdir)
    meta = {"generator": GeneratorConfig().to_dict(), "averaged": False}
    checkpoints.save(7, {"critic": critic, "generator": {"a": np.zeros(2, np.float32)}}, meta)
    checkpoints.close()
    fields = {f"critic_{key}": getattr(config, key) for key in ("width", "norm")}
    model = fields | {"norm_epsilon": config.norm_epsilon, "width": 64}
    (workdir / "config.json").write_text(json.dumps({"model": model}))
    return workdir


def test_a_runs_critic_is_exported_where_it_is_asked_for(tmp_path, capsys):
    torch = pytest.importorskip("torch")
    state = golden_files.load("critic")["state"]
    critic = authors.read(state, "golden")
    workdir = run_with_critic(tmp_path / "run", critic.params, critic.config)
    back = tmp_path / "latest_net_D.pth"
    assert export_weights(workdir, "--critic", "--output", back) == 0
    assert capsys.readouterr().out == f"{back}: the authors' critic\n"
    loaded = torch.load(back, weights_only=True)
    assert set(loaded) == set(state)
    for key, value in state.items():
        np.testing.assert_array_equal(loaded[key].numpy(), value)
    without = run_with_critic(tmp_path / "without", {}, critic.config)
    assert export_weights(without, "--critic", "--output", tmp_path / "x.pth") == 1
    said = capsys.readouterr().err
    assert f"{without} has no critic: its run trains none" in said and said.count("\n") == 1
    assert not (tmp_path / "x.pth").exists()


def test_exports_that_the_layout_cannot_hold_are_refused(tmp_path, capsys, h5):
    config = GeneratorConfig(width=2, blocks=1, upsample="resize_conv")
    shapes = jax.eval_shape(lambda: models.init_generator(jax.random.key(0), config))
    params = jax.tree.map(lambda s: np.zeros(s.shape, np.float32), shapes)
    registry.save(tmp_path / "resize.safetensors", config, params)
    import_weights(h5, "--output", tmp_path / "batch.safetensors")
    capsys.readouterr()
    for name, words in {
        "default": "networks with generator 'resnet' alone, and this one's is 'nafnet'",
        str(tmp_path / "batch.safetensors"): "with norm 'instance' alone",
        str(tmp_path / "resize.safetensors"): "with upsample 'transpose' alone",
        str(tmp_path / "nothing"): "no weights at",
    }.items():
        assert export_weights(name, "--output", tmp_path / "x.pth") == 1
        said = capsys.readouterr().err
        assert words in said and said.count("\n") == 1
    assert not (tmp_path / "x.pth").exists()


class Call:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def bad_files(folder):
    """Name to (contents, what is said of it); a folder stands for itself."""
    torch = pytest.importorskip("torch")
    state = golden_files.load("generator_2018")["state"]
    whole = save_pth(folder / "whole.pth", state).read_bytes()
    foreign = save_pth(folder / "vgg.pth", {"features.0.weight": np.zeros((64, 3, 3, 3))})
    batch = save_pth(folder / "b.pth", {"model.1.weight": np.zeros((4, 3, 7, 7))} | {
        "model.2.weight": np.ones(4)
    })  # fmt: skip
    torch.save({"a": Call(folder / "made")}, folder / "call.pth")
    torch.save(torch.nn.Linear(2, 2), folder / "module.pth")
    short = {k: a for k, a in state.items() if not k.startswith("model.11.conv_block")}
    lacking = save_pth(folder / "l.pth", short)
    meta = {"model.1.weight": torch.zeros((4, 3, 7, 7), device="meta")}
    torch.save({k: torch.tensor(a) for k, a in state.items()} | meta, folder / "meta.pth")
    nan = save_pth(folder / "n.pth", state | {"model.1.bias": np.full(4, np.nan, np.float32)})
    return {
        "empty.pth": (b"", "is empty"),
        "text.pth": (b"these are no weights\n", "is neither a .pth of PyTorch nor an .h5 of Keras"),
        "cut.pth": (whole[: len(whole) // 2], "cut off, damaged, or not torch.save's"),
        "cut.h5": (b"\x89HDF\r\n\x1a\n" + bytes(50), "cut off, damaged, or not of Keras"),
        "foreign.pth": (foreign.read_bytes(), "the key features.0.weight does not belong to"),
        "batch.pth": (batch.read_bytes(), "the key model.2.weight is a batch norm's"),
        "call2.pth": ((folder / "call.pth").read_bytes(), "asks for posix.mkdir, which is not"),
        "module2.pth": ((folder / "module.pth").read_bytes(), "save network.state_dict() instead"),
        "lacking.pth": (lacking.read_bytes(), "lacks the key model.11.conv_block.1.weight of"),
        "meta2.pth": (
            (folder / "meta.pth").read_bytes(),
            "the tensor model.1.weight has a shape but no values",
        ),
        "nan.pth": (nan.read_bytes(), "the key model.1.bias has values that are not finite"),
    }


def test_files_of_all_bad_kinds_get_a_sentence_and_nothing_is_written(tmp_path, capsys):
    pytest.importorskip("torch")
    sources, target = tmp_path / "in", tmp_path / "out"
    sources.mkdir()
    for name, (data, words) in bad_files(sources).items():
        path = sources / name
        path.write_bytes(data)
        assert import_weights(path, "--output", target / "w.safetensors") == 1, name
        said = capsys.readouterr()
        assert words in said.err and str(path) in said.err, said.err
        assert said.err.count("\n") == 1 and not said.out
    for path, words in ((sources, "is a directory"), (sources / "no", "no such file")):
        assert import_weights(path, "--output", target / "w.safetensors") == 1
        assert f"cannot read {path}: {words}" in capsys.readouterr().err
    assert not target.exists() and not (sources / "made").exists()


def test_outputs_that_cannot_be_are_refused(tmp_path, capsys, h5):
    before = h5.read_bytes()
    assert import_weights(h5, "--output", h5, "--overwrite") == 2
    assert "is the file to read" in capsys.readouterr().err
    assert import_weights(h5, "--output", tmp_path) == 2
    assert "is a folder; name the file to write" in capsys.readouterr().err
    assert import_weights(h5, "--output", h5 / "w.safetensors") == 1
    assert "a file is where a folder should be" in capsys.readouterr().err
    assert import_weights(h5) == 2
    assert h5.read_bytes() == before


def test_who_gives_a_foreign_file_as_weights_is_told_of_the_import(tmp_path, capsys, h5):
    assert export_weights(h5, "--output", tmp_path / "x.pth") == 1
    said = capsys.readouterr().err
    assert f"cannot read weights from {h5}: the file is cut off, or not in safetensors" in said
    assert "`deblur-jax import-weights` makes a file of such ones" in said


def test_the_card_is_in_the_file(tmp_path, h5):
    output = tmp_path / "port.safetensors"
    import_weights(h5, "--output", output)
    data = output.read_bytes()
    size = int.from_bytes(data[:8], "little")
    words = json.loads(data[8 : 8 + size])["__metadata__"]
    assert json.loads(words["card"])["source_sha256"] == sha256(h5)
    assert json.loads(words["generator"])["norm_momentum"] == 0.99
