"""Data parallelism over all devices: the axis' name, means over it, and how a step is mapped."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from deblur_jax import compiler

AXIS = "devices"


def mean(tree: Any, axis: str | None) -> Any:
    """Averages over the mapped axis; the identity where `axis` is None."""
    return tree if axis is None else lax.pmean(tree, axis)


def varying(tree: Any, axis: str | None) -> Any:
    """Marks replicated values as differing per device, which the gradient of them then does.

    Under a checked `shard_map` the gradient with respect to a replicated value is already summed
    over the devices, and `mean` of it would be too large by their number; with this it is the same
    under `pmap`, checked and unchecked `shard_map`.
    """
    if axis is None:
        return tree
    return jax.tree.map(lambda a: lax.pcast(a, axis, to="varying"), tree)


def replicate(tree: Any) -> Any:
    """Puts a copy of the arrays on every device, as `pmap` wants its unmapped arguments.

    Left on one device they would be copied to all the others again at every step.
    """
    sharding = NamedSharding(Mesh(np.array(jax.devices()), (AXIS,)), PartitionSpec())

    def spread(array: Any) -> jax.Array:
        # `device_put` would compare the arrays of all processes first.
        return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])

    return jax.tree.map(spread, tree)


def savable(tree: Any) -> Any:
    """What `pmap` gave the same to all devices, as it can be saved: numbers, or global arrays.

    Among several processes its results belong to each of them alone, which Orbax refuses.
    """
    numbers = jax.tree.map(np.asarray, tree)
    return numbers if jax.process_count() == 1 else replicate(numbers)


def unplaced(tree: Any) -> Any:
    """The arrays as `pmap_step` may be given them first: numbers, where processes are several.

    There `pmap` spreads an array that lies on one device, and deletes it as it was donated, though
    its copy on that device is the same memory (jax 0.10.2).
    """
    return tree if jax.process_count() == 1 else jax.tree.map(np.asarray, tree)


def positions(batch_size: int) -> np.ndarray:
    """The places in a slice that each of this process' devices works on, uint32[devices, share]."""
    share = batch_size // jax.device_count()
    own = np.arange(batch_size, dtype=np.uint32).reshape(jax.device_count(), share)
    first = jax.process_index() * jax.local_device_count()
    return own[first : first + jax.local_device_count()]


def sample_numbers(first: Any, slices: int, batch_size: int, own: Any) -> Any:
    """Global numbers of the samples that a device works on in one step.

    Args:
      first: uint32 scalar, number of the step's first sample.
      slices: slices of data in a step, one per update.
      batch_size: samples of one slice over all devices.
      own: uint32[share], this device's row of `positions`.

    Returns:
      uint32[slices, share].
    """
    row = jnp.arange(slices, dtype=jnp.uint32)[:, None] * jnp.uint32(batch_size)
    return first + row + own[None, :]


def pmap_step(step: Callable[..., Any], in_axes: tuple[int | None, ...]) -> Callable[..., Any]:
    """Maps a per-device step over all devices with `jax.pmap`.

    Args:
      step: `(state, own, *data) -> (state, scalars)`, using `AXIS`; both results the same on all
        devices.
      in_axes: for each argument 0 if it has a leading device axis, else None; the state's is None.

    Returns:
      The mapped step. The state is donated: its old buffers are gone after the call.
    """
    mapped = jax.pmap(step, axis_name=AXIS, in_axes=in_axes, out_axes=None, donate_argnums=0)
    return compiler.compile_mapped(mapped)


def pmap_data(function: Callable[..., Any], in_axes: tuple[int | None, ...]) -> Callable[..., Any]:
    """Maps a per-device function; its result has a leading device axis, its arguments stay."""
    mapped = jax.pmap(function, axis_name=AXIS, in_axes=in_axes, out_axes=0)
    return compiler.compile_mapped(mapped)


def shard_map_step(
    step: Callable[..., Any], in_axes: tuple[int | None, ...], devices: list[Any] | None = None
) -> Callable[..., Any]:
    """The same step under `jax.shard_map` with its replication checked.

    A forgotten mean over devices, silent under `pmap`, is an error here at trace time. Arguments
    with axis 0 are `[devices, ...]` as under `pmap`.
    """
    mesh = Mesh(np.array(devices if devices is not None else jax.devices()), (AXIS,))

    def body(*arguments: Any) -> Any:
        own = [
            a if axis is None else jax.tree.map(lambda x: x[0], a)
            for a, axis in zip(arguments, in_axes, strict=True)
        ]
        return step(*own)

    specs = tuple(PartitionSpec() if axis is None else PartitionSpec(AXIS) for axis in in_axes)
    return jax.jit(jax.shard_map(body, mesh=mesh, in_specs=specs, out_specs=PartitionSpec()))
