"""`.pth` files: both formats, and everything that is no plain state dict, without running it."""

import collections
import io
import os
import pickle
import sys
import types

import numpy as np
import pytest

from deblur_jax.errors import UserError
from deblur_jax.weights import torch_files

STATE = {"a.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "b.count": np.array(3)}


class Call:
    """Pickled as a call that leaves a folder behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def written(value, **options) -> bytes:
    torch = pytest.importorskip("torch")
    stream = io.BytesIO()
    torch.save(value, stream, **options)
    return stream.getvalue()


def tensors():
    torch = pytest.importorskip("torch")
    return collections.OrderedDict((k, torch.tensor(v)) for k, v in STATE.items())


def error_of(data) -> str:
    with pytest.raises(UserError) as raised:
        torch_files.read_state_dict(data, "net.pth")
    assert "net.pth" in str(raised.value) and "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_both_formats_are_read(zipped):
    data = written(tensors(), _use_new_zipfile_serialization=zipped)
    assert data.startswith(torch_files.MAGIC)
    assert data.startswith(b"PK") == zipped
    state = torch_files.read_state_dict(data, "net.pth")
    assert list(state) == list(STATE)
    for key, value in STATE.items():
        np.testing.assert_array_equal(np.asarray(state[key]), value)


def test_a_file_as_pytorch_of_2018_wrote_it_on_a_gpu_is_read():
    """Before 0.4 tensors were rebuilt by another function; storages say where they lay."""
    torch = pytest.importorskip("torch")
    value = torch.tensor(STATE["a.weight"])
    storage = torch.storage.TypedStorage(
        wrap_storage=value.untyped_storage(), dtype=torch.float32, _internal=True
    )

    class Old:
        def __reduce__(self):
            return torch._utils._rebuild_tensor, (storage, 0, (2, 3), (3, 1))

    data = written({"a.weight": Old()}, _use_new_zipfile_serialization=False)
    cpu, gpu = b"X\x03\0\0\0cpu", b"X\x06\0\0\0cuda:0"
    assert data.count(cpu) == 1 and b"_rebuild_tensor\n" in data
    state = torch_files.read_state_dict(data.replace(cpu, gpu), "net.pth")
    np.testing.assert_array_equal(np.asarray(state["a.weight"]), STATE["a.weight"])


def test_parameters_and_small_floats_become_arrays():
    torch = pytest.importorskip("torch")
    half = torch.tensor([1.5, -2.0], dtype=torch.float16)
    brain = torch.tensor([1.5, -2.0], dtype=torch.bfloat16)
    data = written({"p": torch.nn.Parameter(half), "q": brain})
    state = torch_files.read_state_dict(data, "net.pth")
    for key, dtype in (("p", np.float16), ("q", np.float32)):
        array = np.asarray(state[key])
        assert array.dtype == dtype and array.tolist() == [1.5, -2.0]


def test_floats_of_eight_bits_become_float32():
    torch = pytest.importorskip("torch")
    # By hand: sign, exponent, fraction of each format's 1.5 and -2.
    for name, bits in {"float8_e4m3fn": (0x3C, 0xC0), "float8_e5m2": (0x3E, 0xC0)}.items():
        small = torch.tensor(bits, dtype=torch.uint8).view(getattr(torch, name))
        array = np.asarray(torch_files.read_state_dict(written({"w": small}), "net.pth")["w"])
        assert array.dtype == np.float32 and array.tolist() == [1.5, -2.0]


def test_tensors_that_numpy_cannot_hold_are_named():
    torch = pytest.importorskip("torch")
    meta = torch.zeros(2, device="meta")
    message = error_of(written({"a": torch.zeros(1), "w": meta}))
    assert "the tensor w has a shape but no values" in message
    packed = getattr(torch, "float4_e2m1fn_x2", None)  # since PyTorch 2.8
    if packed is not None:
        message = error_of(written({"w": torch.zeros(2, dtype=torch.uint8).view(packed)}))
        assert "the tensor w is of torch.float4_e2m1fn_x2, which cannot be read" in message


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_call_in_a_pickle_is_not_made(tmp_path, zipped):
    value = tensors() | {"c": Call(tmp_path / "made")}
    message = error_of(written(value, _use_new_zipfile_serialization=zipped))
    assert "asks for posix.mkdir, which is not loaded" in message
    for protocol in range(2, 6):
        error_of(pickle.dumps(Call(tmp_path / "made"), protocol))
    assert not (tmp_path / "made").exists()
    pickle.loads(pickle.dumps(Call(tmp_path / "made")))  # it is a call indeed
    assert (tmp_path / "made").exists()


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_whole_network_is_named(zipped):
    torch = pytest.importorskip("torch")
    data = written(torch.nn.Linear(2, 2), _use_new_zipfile_serialization=zipped)
    message = error_of(data)
    assert "asks for torch.nn.modules.linear.Linear" in message
    assert "save network.state_dict() instead" in message


def test_other_contents_are_named():
    torch = pytest.importorskip("torch")
    assert "no state dict but one object of type Tensor" in error_of(written(torch.zeros(2)))
    assert "of type list" in error_of(written([torch.zeros(2)]))
    wrapped = written({"epoch": 3, "state_dict": tensors()})
    assert "its entry 'epoch' is no tensor but of type int" in error_of(wrapped)
    assert "its entry 5 is no tensor" in error_of(written({5: torch.zeros(2)}))
    for tensor in (torch.zeros(2).to_sparse(), torch.zeros(2, dtype=torch.complex64)):
        message = error_of(written({"a": torch.zeros(1), "w": tensor}))
        assert "the tensor w is sparse, quantised or complex" in message


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_file_cut_off_anywhere_is_an_error(zipped):
    data = written(tensors(), _use_new_zipfile_serialization=zipped)
    for size in [*range(1, len(data), 41), len(data) - 1]:
        error_of(data[:size])
    assert error_of(data[: len(data) // 2]) == (
        "cannot read net.pth: it is cut off, damaged, or not torch.save's"
    )


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_damaged_file_is_an_error_or_still_a_state_dict(rng, zipped):
    data = written(tensors(), _use_new_zipfile_serialization=zipped)
    for _ in range(150):
        damaged = bytearray(data)
        damaged[rng.integers(len(data))] ^= int(rng.integers(1, 256))
        try:
            state = torch_files.read_state_dict(bytes(damaged), "net.pth")
        except UserError as error:
            assert "net.pth" in str(error)
        else:
            assert isinstance(state, dict)


def test_what_is_written_is_read_by_pytorch(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "folder" / "net.pth"
    torch_files.write_state_dict(path, STATE)
    state = torch.load(path, weights_only=True)
    assert type(state) is collections.OrderedDict and list(state) == list(STATE)
    for key, value in STATE.items():
        assert state[key].is_contiguous() and state[key].dtype == torch.tensor(value).dtype
        np.testing.assert_array_equal(state[key].numpy(), value)


def test_without_pytorch_the_message_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch", None)  # an import then fails
    with pytest.raises(UserError) as raised:
        torch_files.read_state_dict(b"", "net.pth")
    assert str(raised.value) == "reading a .pth needs PyTorch: pip install 'deblur-jax[torch]'"
    with pytest.raises(UserError, match=r"writing a \.pth needs PyTorch"):
        torch_files.write_state_dict(tmp_path / "net.pth", STATE)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("version", ["1.13.1", "2.5.1+cu121"])
def test_a_pytorch_that_a_file_can_make_run_code_is_refused(monkeypatch, version):
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(__version__=version))
    with pytest.raises(UserError) as raised:
        torch_files.read_state_dict(b"", "net.pth")
    assert "needs PyTorch 2.6 or newer" in str(raised.value) and version in str(raised.value)
