"""The generator in ONNX Runtime."""

from typing import Any

import numpy as np
import onnxruntime

from benchmarks.peers import materials
from benchmarks.peers.engines.engine import Engine
from benchmarks.peers.job import Job


def start(job: Job, variant: str) -> Engine:
    """Reads the picture; the model is read where it is compiled."""
    del variant
    x = np.ascontiguousarray(np.moveaxis(materials.picture(job), -1, 1))
    session: Any = None

    def compile_once() -> None:
        nonlocal session
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = job.threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        session = onnxruntime.InferenceSession(
            str(materials.onnx_file(job)), options, providers=["CPUExecutionProvider"]
        )

    return Engine(
        packages=("onnxruntime", "onnx"),
        compile=compile_once,
        call=lambda: session.run(None, {"blurred": x})[0],
        outputs=lambda restored: {"picture": np.array(np.moveaxis(restored, 1, -1))},
    )
