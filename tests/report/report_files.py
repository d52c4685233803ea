"""Measured files as a report takes them, made up for its tests."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from deblur_jax import images
from deblur_jax.report.documents import Source

SCORES = ("psnr", "ssim", "ssim_matlab3d", "cw_ssim_1d", "ssim_luminance", "ms_ssim")


def scores(psnr: float | None, ssim: float | None) -> dict[str, Any]:
    return dict.fromkeys(SCORES) | {"psnr": psnr, "ssim": ssim}


def evaluation(
    gains: dict[str, float],
    *,
    name: str = "default",
    dataset: str = "frames",
    protocol: str = "full",
    **more: Any,
) -> dict[str, Any]:
    """Pictures of 20, 21, 22, ... dB blurred and the given gains, each its own scene."""
    entries = []
    for number, (picture, gain) in enumerate(gains.items()):
        entries.append(
            {
                "name": picture,
                "scene": picture.partition("/")[0],
                "height": 40,
                "width": 60,
                "blurred": scores(20.0 + number, 0.5),
                "restored": scores(20.0 + number + gain, 0.5 + gain / 10),
                "artefacts": {"shift_red": 0.25, "shift_green": -0.5, "shift_blue": 0.0,
                              "clipped": 0.0, "grid": 1.5},
                "seconds": 0.5 + number,
            }
        )  # fmt: skip
    means = {
        side: {
            key: float(np.mean([e[side][key] for e in entries]))
            if key in ("psnr", "ssim")
            else None
            for key in SCORES
        }
        for side in ("blurred", "restored")
    }
    return {
        "schema": 1,
        "protocol": protocol,
        "dataset": dataset,
        "weights": {"name": name, "sha256": name * 3},
        "device": "cpu: made up",
        "count": len(entries),
        **means,
        "seconds_per_image": {"median": 0.75, "p90": 1.5, "first_with_compilation": 9.0},
        "per_image": entries,
    } | more


def source(document: dict[str, Any], label: str = "", path: str | Path = "r.json") -> Source:
    """A document as if it had been read from a file."""
    return Source(Path(path), document, 0, label or document["weights"]["name"])


def study(**more: Any) -> dict[str, Any]:
    """A kernel study of two kernels and two sizes; `difference` is 1 and 2, the gains 0.5, -0.5."""
    means = {"difference": 1.0, "blurred_psnr": 20.0, "restored_psnr": 20.5, "gain_psnr": 0.5,
             "gain_ssim": 0.01}  # fmt: skip
    summary = [
        {"kernel": kernel, "size": size, "count": 3}
        | {key: {"mean": value * sign if "gain" in key else value * (index + 1), "std": 0.25}
           for key, value in means.items()}
        for kernel in ("gaussian", "median")
        for index, (size, sign) in enumerate(((5, 1), (9, -1)))
    ]  # fmt: skip
    claims = {"larger for gaussian than for median": (True, False),
              "grows with the gaussian's size": (None, True)}  # fmt: skip
    return {
        "weights": {"name": "default", "sha256": "abc"},
        "device": "cpu: made up",
        "kernels": {"gaussian": "a window", "median": "another"},
        "rows": [],
        "summary": summary,
        "findings": [
            {"claim": claim, "measure": measure, "holds": holds}
            for claim, both in claims.items()
            for measure, holds in zip(("difference", "gain_psnr"), both, strict=True)
        ],
        "report": {"unit": "not stated", "gaussian": {"5": 22.6, "9": 25.5}},
        "conclusion": "Two kernels, <in words>.",
        "failed": [],
        "plots": [],
        "sheets": [],
    } | more


def write(path: Path, document: Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")
    return str(path)


def keep_pictures(folder: Path, document: dict[str, Any], seed: int = 0) -> None:
    """Adds pictures to every entry, as an evaluation keeps them; noise, the blurred one flat."""
    rng = np.random.default_rng(seed)
    for entry in document["per_image"]:
        sharp = rng.integers(0, 256, (entry["height"], entry["width"], 3), np.uint8)
        layers = {"sharp": sharp, "restored": sharp // 2 + 32, "blurred": np.full_like(sharp, 128)}
        entry["pictures"] = {}
        for side, picture in layers.items():
            place = f"kept/{document['weights']['name']}/{entry['name']}/{side}.png"
            images.write(folder / place, picture)
            entry["pictures"][side] = place


def latency(height: int, width: int, seconds: float, **more: Any) -> dict[str, Any]:
    return {
        "device": "cpu: made up", "height": height, "width": width, "batch": 1,
        "precision": "float32", "compile_s": 1.0, "runs": 9, "median_s": seconds,
        "p10_s": seconds, "p90_s": seconds, "gflop": 1.0, "gflop_per_s": 1 / seconds,
        "peak_memory_mb": 10.0, "paper_s": 0.85, "report_s": 0.97,
    } | more  # fmt: skip


def training(rate: float, batch: int = 8, devices: int = 1, **more: Any) -> dict[str, Any]:
    """A throughput of `rate` images a second on all devices."""
    return {
        "benchmark": "throughput", "device": "cpu: made up", "config": "configs/small.py",
        "crop": 128, "batch": batch, "precision": "float32", "device_count": devices,
        "steps_per_second": rate / batch, "median_s": batch / rate, "images_per_second": rate,
        "images_per_second_per_device": rate / devices,
    } | more  # fmt: skip


def roofline(height: int, width: int, seconds: float, **more: Any) -> dict[str, Any]:
    """100 GFLOP, 40 of them computed, and 0.05 and 0.4 GB, under 200 GFLOP/s and 20 GB/s."""
    needed = {"compute": 0.5, "products": 0.2, "least_memory": 0.0025, "memory": 0.02,
              "floor": 0.2}  # fmt: skip
    return latency(height, width, seconds) | {
        "benchmark": "roofline", "config": "configs/paper.py", "gflop": 100.0,
        "products_gflop": 40.0, "least_mb": 50.0, "activations_mb": 350.0,
        "product_gflop_per_s": 200.0, "copy_gb_per_s": 20.0,
        **{f"{key}_s": value for key, value in needed.items()},
        **{f"{key}_share": value / seconds for key, value in needed.items()},
    } | more  # fmt: skip


def peers(**more: Any) -> dict[str, Any]:
    """This project, one that takes 2.125 times as long, one that is faster, one not there."""
    timed = {"status": "timed", "p10_s": 0.4, "p90_s": 0.6, "compile_s": 1.0, "peak_rss_mb": 900.4}
    return {
        "benchmark": "peers", "device": "cpu", "part": "restore", "config": None,
        "weights": {"name": "default"}, "width": 1280, "height": 720,
        "contenders": {
            "jax": timed | {"median_s": 0.5},
            "torch": {"status": "timed", "median_s": 1.1},
            "onnx": timed | {"median_s": 0.4},
            "openvino": {"status": "missing", "why": "openvino is not installed"},
        },
        "ratios": {
            "jax": {"torch": {"median": 0.47, "p10": 0.4, "p90": 0.5}},
            "torch": {"jax": {"median": 2.125, "p10": 2.0, "p90": 2.5}},
            "onnx": {"jax": {"median": 0.8, "p10": 0.75, "p90": 0.9}},
        },
    } | more  # fmt: skip
