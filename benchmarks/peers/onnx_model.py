"""A generator as an ONNX model, written node by node from its weights: no PyTorch is needed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

# Old enough for any runtime of these years, new enough for every node below.
OPSET, IR_VERSION = 17, 8
INPUT, OUTPUT = "blurred", "restored"
_OUTER_BLOCKS = 2  # as in `models.unshuffle`

Weights = Mapping[str, NDArray[np.float32]]


def write(path: Path, config: Mapping[str, Any], weights: Weights, height: int, width: int) -> None:
    """Writes a model of one size.

    Args:
      path: the file.
      config: the fields of a `GeneratorConfig`: `unshuffle`, or `resnet` with instance norms,
        transposed convolutions and symmetric padding.
      weights: as `layout.layers` gives them.
      height, width: of the picture in pixels; input and output are float32[1, 3, H, W].
    """
    graph = _Graph(weights)
    tail = (
        _unshuffle(graph, config) if config["generator"] == "unshuffle" else _resnet(graph, config)
    )
    last = _output(graph, tail, config)
    graph.nodes.append(helper.make_node("Identity", [last], [OUTPUT]))
    shape = [1, 3, height, width]
    described = helper.make_graph(
        graph.nodes,
        "generator",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, shape)],
        graph.constants,
    )
    model = helper.make_model(described, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


class _Graph:
    """Nodes and constants so far; a tensor is known by its name."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Adds a node of one output, and gives that one's name."""
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, array: NDArray[Any]) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(array, order="C"), name))
        return name

    def layer(self, x: str, name: str, kind: str = "Conv", **attributes: Any) -> str:
        """A convolution with the weights of a layer."""
        weight, bias = (self._weights[f"{name}.{part}"] for part in ("weight", "bias"))
        return self.add(kind, x, self.constant(weight), self.constant(bias), **attributes)

    def reflect(self, x: str, pad: int) -> str:
        pads = self.constant(np.array([0, 0, pad, pad, 0, 0, pad, pad], np.int64))
        return self.add("Pad", x, pads, mode="reflect")

    def norm(self, x: str, channels: int, epsilon: float) -> str:
        scale, shift = np.ones(channels, np.float32), np.zeros(channels, np.float32)
        return self.add(
            "InstanceNormalization", x, self.constant(scale), self.constant(shift), epsilon=epsilon
        )


def _resnet(graph: _Graph, config: Mapping[str, Any]) -> str:
    """The paper's layers up to tanh's argument."""
    width, epsilon = config["width"], config["norm_epsilon"]

    def norm_relu(x: str, factor: int) -> str:
        return graph.add("Relu", graph.norm(x, factor * width, epsilon))

    y = norm_relu(graph.layer(graph.reflect(INPUT, 3), "head"), 1)
    for i, factor in enumerate((2, 4)):
        down = graph.layer(y, f"down_{i}", strides=[2, 2], pads=[1, 1, 1, 1])
        y = norm_relu(down, factor)
    for i in range(config["blocks"]):
        z = norm_relu(graph.layer(graph.reflect(y, 1), f"block_{i}_a"), 4)
        if config["block_convolutions"] == 2:
            z = graph.layer(graph.reflect(z, 1), f"block_{i}_b")
            z = graph.norm(z, 4 * width, epsilon)
        y = graph.add("Add", y, z)
    for i, factor in enumerate((2, 1)):
        up = graph.layer(
            y, f"up_{i}", "ConvTranspose", strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1]
        )
        y = norm_relu(up, factor)
    return graph.layer(graph.reflect(y, 3), "tail")


def _unshuffle(graph: _Graph, config: Mapping[str, Any]) -> str:
    """The light network's layers up to the residual."""
    around: dict[str, Any] = {"pads": [1, 1, 1, 1]}

    def block(x: str, name: str) -> str:
        y = graph.add("Relu", graph.layer(x, f"{name}_a", **around))
        return graph.add("Add", x, graph.layer(y, f"{name}_b", **around))

    def to_space(x: str, factor: int) -> str:
        return graph.add("DepthToSpace", x, blocksize=factor, mode="DCR")

    y = graph.layer(graph.add("SpaceToDepth", INPUT, blocksize=4), "head", **around)
    for i in range(_OUTER_BLOCKS):
        y = block(y, f"before_{i}")
    skip = y
    y = graph.layer(y, "down", strides=[2, 2], **around)
    for i in range(config["blocks"]):
        y = block(y, f"inner_{i}")
    y = graph.add("Add", skip, to_space(graph.layer(y, "up"), 2))
    for i in range(_OUTER_BLOCKS):
        y = block(y, f"after_{i}")
    return to_space(graph.layer(y, "tail", **around), 4)


def _output(graph: _Graph, y: str, config: Mapping[str, Any]) -> str:
    """What the output mode makes of the last layer, as `models.generator` has it."""
    if config["output"] == "tanh" or config["generator"] == "resnet":
        y = graph.add("Tanh", y)
    if config["output"] == "tanh":
        return y
    y = graph.add("Add", INPUT, y)
    if config["output"] == "average":
        y = graph.add("Mul", y, graph.constant(np.array(0.5, np.float32)))
    low, high = (graph.constant(np.array(bound, np.float32)) for bound in (-1, 1))
    return graph.add("Clip", y, low, high)
