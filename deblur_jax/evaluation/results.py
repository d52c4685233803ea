"""`results.json`, schema 1: what an evaluation leaves, and its table for the terminal.

    {"schema": 1, "protocol", "dataset", "weights": {"name", "sha256"}, "device", "count",
     "blurred": {"psnr", "ssim", "ssim_matlab3d", "cw_ssim_1d", "ssim_luminance", "ms_ssim"},
     "restored": the same, "psnr_truncated", "psnr_floats",
     "seconds_per_image": {"median", "p90", "first_with_compilation"},
     "precision", "dropout", "self_ensemble", "limit", "command", "date", "versions", "devices",
     "per_image": [{"name", "scene", "height", "width", "blurred", "restored", "artefacts",
                    "seconds"}]}

Keys that stand there only when they say something:

- `filter`, if the protocol resizes; `subset`, GoPro's `linear` or `gamma`; `blurred_folder`, the
  name of the folder that the blurred pictures lie in;
- `per_scene`, [{"scene", "count", "blurred", "restored"}], if there is more than one scene;
- `failed`, [{"name", "scene", "reason"}]: pairs that could not be scored and are in no mean;
- `infinite_psnr`, {"blurred": n, "restored": n}, if any picture equals its sharp twin exactly;
- `weights.preset`, `step` and `loss`: how they were trained, where they say so;
- `lpips` and `niqe` among the scores, where they were asked for;
- `pictures` of an entry, {"blurred", "restored", "sharp"}: files, from the results' folder.

JSON has no infinity, so the `psnr` of a picture that equals its twin is null; the mean PSNR is over
the others. Where `ssim` is null the picture is smaller than the window, where `ms_ssim` is, smaller
than five scales take; with all scores null it has no sharp twin. `artefacts`, {"shift_red",
"shift_green", "shift_blue", "clipped", "grid"}, compare the restored with the blurred picture
(`artefacts.py`); they have no mean, in which shifts to either side would cancel.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deblur_jax.atomic import write_text
from deblur_jax.evaluation.metrics.artefacts import ARTEFACT_KEYS

SCHEMA = 1
SCORES = {  # and how the terminal's table calls them
    "psnr": "PSNR (dB)",
    "ssim": "SSIM",
    "ssim_matlab3d": "matlab3d",
    "cw_ssim_1d": "CW 1d",
    "ssim_luminance": "luminance",
    "ms_ssim": "MS-SSIM",
}
SIDES = ("blurred", "restored")

Scores = dict[str, float | None]


def summarise(
    entries: Sequence[dict[str, Any]],
    *,
    protocol: str,
    filter: str | None,
    dataset: str,
    weights: dict[str, Any],
    device: str,
    first_seconds: float,
    subset: str | None = None,
    blurred_folder: str | None = None,
    failed: Sequence[dict[str, str]] = (),
    call: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The whole document from its `per_image` entries.

    Args:
      entries: scored pictures, at least one, whose PSNRs may still be `inf`.
      protocol, dataset, device, subset, blurred_folder, failed: as they shall stand there.
      filter: the resampling filter, None where nothing was resized.
      weights: name and sha256, and how they were trained.
      first_seconds: the first call, compilation included.
      call: what else is known of it, see `about.of_call`.

    Returns:
      The document of the module's description, ready for `write_results`.
    """
    infinite = {side: sum(entry[side]["psnr"] == math.inf for entry in entries) for side in SIDES}
    seconds = [entry["seconds"] for entry in entries]
    optional = {
        "filter": filter,
        "subset": subset,
        "blurred_folder": blurred_folder,
    }
    return {
        "schema": SCHEMA,
        "protocol": protocol,
        "dataset": dataset,
        **{key: value for key, value in optional.items() if value},
        "weights": weights,
        "device": device,
        "count": len(entries),
        **{side: _means(entries, side) for side in SIDES},
        **({"infinite_psnr": infinite} if any(infinite.values()) else {}),
        **({"failed": list(failed)} if failed else {}),
        "seconds_per_image": times(seconds, first_seconds),
        **_per_scene(entries),
        **(call or {}),
        "per_image": [_without_infinity(entry) for entry in entries],
    }


def times(seconds: Sequence[float], first_seconds: float) -> dict[str, float]:
    """`seconds_per_image` of the pictures' times, at least one, and of the very first call."""
    return {
        "median": float(np.median(seconds)),
        "p90": float(np.percentile(seconds, 90)),
        "first_with_compilation": first_seconds,
    }


def _means(entries: Sequence[dict[str, Any]], side: str) -> Scores:
    """The mean of each score that any of the pictures has; an infinite one is in none."""
    keys = dict.fromkeys(key for entry in entries for key in entry[side])
    return {key: _mean(entry[side].get(key) for entry in entries) for key in keys}


def _per_scene(entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """{"per_scene": ...}, or nothing where all pictures are of one scene."""
    scenes: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        scenes.setdefault(entry["scene"], []).append(entry)
    if len(scenes) < 2:
        return {}
    return {
        "per_scene": [
            {"scene": scene, "count": len(own), **{side: _means(own, side) for side in SIDES}}
            for scene, own in scenes.items()
        ]
    }


def without_scores(
    name: str,
    height: int,
    width: int,
    seconds: float,
    *,
    scene: str = "",
    artefacts: Scores | None = None,
) -> dict[str, Any]:
    """The `per_image` entry of a picture without a sharp twin; it belongs to no mean."""
    return {
        "name": name,
        "scene": scene,
        "height": height,
        "width": width,
        "blurred": dict.fromkeys(SCORES),
        "restored": dict.fromkeys(SCORES),
        "artefacts": artefacts or dict.fromkeys(ARTEFACT_KEYS),
        "seconds": seconds,
    }


def write_results(path: str | Path, results: dict[str, Any]) -> None:
    """Writes the document as strict JSON, whole or not at all.

    Raises:
      UserError: the file cannot be written.
      ValueError: a number is not finite; such a result must not look like a score.
    """
    write_text(path, json.dumps(results, indent=2, allow_nan=False) + "\n")


def picture_table(results: dict[str, Any]) -> str:
    """One line per picture: PSNR and SSIM before -> after, seconds; the means below."""
    rows = [
        (entry["name"], *_change(entry["blurred"], entry["restored"]), _number(entry["seconds"], 2))
        for entry in results["per_image"]
    ]
    mean = _change(results["blurred"], results["restored"])
    median = _number(results["seconds_per_image"]["median"], 2)
    last = (f"mean of {results['count']}, median time", *mean, median)
    return _aligned([("picture", "PSNR (dB)", "SSIM", "seconds"), *rows, last])


def summary(results: dict[str, Any]) -> str:
    """A few lines: the means, which pictures are the extremes, times, and what failed."""
    resampling = f", {results['filter']}" if "filter" in results else ""
    seconds = results["seconds_per_image"]
    lines = [
        f"{results['weights']['name']} on {results['dataset']}: {_pairs(results['count'])}, "
        f"protocol {results['protocol']}{resampling}, {results['device']}",
        _aligned(
            [("", *SCORES.values())]
            + [
                (side, *(_number(results[side].get(k), 2 if k == "psnr" else 4) for k in SCORES))
                for side in SIDES
            ]
        ),
        *_extremes(results["per_image"]),
        f"seconds a picture: median {seconds['median']:.3f}, p90 {seconds['p90']:.3f}, "
        f"first with compilation {seconds['first_with_compilation']:.2f}",
    ]
    for side, count in results.get("infinite_psnr", {}).items():
        if count:
            lines.append(f"{count} {side} equal to the sharp twin: infinite PSNR, not in the mean")
    failed = results.get("failed", [])
    if failed:
        lines.append(f"{len(failed)} could not be scored and are in no mean:")
        lines += [f"  {each['reason']}" for each in failed]
    return "\n".join(lines)


def _extremes(entries: Sequence[dict[str, Any]]) -> list[str]:
    """The pictures that a mean hides: least and most gained, colours moved furthest, most grid."""
    lines = []
    gains = [
        (entry["restored"]["psnr"] - entry["blurred"]["psnr"], entry["name"])
        for entry in entries
        if None not in (entry["restored"]["psnr"], entry["blurred"]["psnr"])
    ]
    if len(gains) > 1:
        (least, worst), (most, best) = min(gains), max(gains)
        lines.append(f"PSNR gained: from {least:+.2f} dB ({worst}) to {most:+.2f} dB ({best})")
    artefacts = [(entry.get("artefacts") or {}, entry["name"]) for entry in entries]
    shifts = [
        (abs(found[key]), found[key], key.removeprefix("shift_"), name)
        for found, name in artefacts
        for key in ARTEFACT_KEYS
        if key.startswith("shift_") and found.get(key) is not None
    ]
    if shifts:
        _, shift, colour, name = max(shifts)
        lines.append(
            f"largest shift of a channel's mean: {shift:+.2f} grey levels, {colour} ({name})"
        )
    grids = [(found["grid"], name) for found, name in artefacts if found.get("grid") is not None]
    if grids:
        lines.append("most of a grid: {:.1f} dB ({})".format(*max(grids)))
    return lines


def _pairs(count: int) -> str:
    return "1 pair" if count == 1 else f"{count} pairs"


def _mean(values: Any) -> float | None:
    finite = [value for value in values if value is not None and value != math.inf]
    return float(np.mean(finite)) if finite else None


def _without_infinity(entry: dict[str, Any]) -> dict[str, Any]:
    def strict(scores: Scores) -> Scores:
        return {key: None if value == math.inf else value for key, value in scores.items()}

    return {**entry, "blurred": strict(entry["blurred"]), "restored": strict(entry["restored"])}


def _change(blurred: Scores, restored: Scores) -> tuple[str, str]:
    return (
        f"{_number(blurred['psnr'], 2)} → {_number(restored['psnr'], 2)}",
        f"{_number(blurred['ssim'], 4)} → {_number(restored['ssim'], 4)}",
    )


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns of equal width: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
