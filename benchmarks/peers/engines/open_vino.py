"""The generator in OpenVINO, which reads the same ONNX model."""

from typing import Any

import numpy as np
import openvino

from benchmarks.peers import materials
from benchmarks.peers.engines.engine import Engine
from benchmarks.peers.job import Job


def start(job: Job, variant: str) -> Engine:
    """Reads the picture; the model is read where it is compiled."""
    del variant
    x = np.ascontiguousarray(np.moveaxis(materials.picture(job), -1, 1))
    request: Any = None

    def compile_once() -> None:
        nonlocal request
        core = openvino.Core()
        options = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": job.threads,
            "INFERENCE_PRECISION_HINT": "f32",  # some CPUs would take bfloat16
        }
        model = core.read_model(str(materials.onnx_file(job)))
        request = core.compile_model(model, "CPU", options).create_infer_request()

    def call() -> Any:
        request.infer({0: x})
        return request.get_output_tensor(0).data

    return Engine(
        packages=("openvino", "onnx"),
        compile=compile_once,
        call=call,
        outputs=lambda restored: {"picture": np.array(np.moveaxis(restored, 1, -1))},
    )
