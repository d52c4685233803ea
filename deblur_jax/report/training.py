"""What a run left: its curves from `metrics.jsonl`, its pictures from TensorBoard's events."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deblur_jax.report import curves, events, metrics_log
from deblur_jax.report.metrics_log import LineOf


@dataclass(frozen=True)
class Training:
    """A run, ready for a page.

    Attributes:
      path: of `metrics.jsonl`.
      label: the workdir's name.
      facts: (name, value) in words.
      panels: plots.
      frames: pictures over time, in order.
      warnings: what is wrong with the log, in sentences.
      csv: every line's numbers.
    """

    path: Path
    label: str
    facts: list[tuple[str, str]]
    panels: list[curves.Panel]
    frames: list[events.Frame]
    warnings: list[str]
    csv: str


def read(path: str | Path) -> Training:
    """Reads a run from its `metrics.jsonl`, and what else lies in its folder.

    Raises:
      UserError: as `metrics_log.read_lines`.
    """
    path = Path(path)
    lines = metrics_log.read_lines(path)
    frames, trouble = events.frames(path.parent)
    return Training(
        path=path,
        label=path.resolve().parent.name,
        facts=_facts(path.parent, lines),
        panels=curves.panels(lines),
        frames=frames,
        warnings=metrics_log.gaps(lines) + trouble,
        csv=metrics_log.comma_separated(lines),
    )


def _facts(workdir: Path, lines: dict[int, LineOf]) -> list[tuple[str, str]]:
    facts = [("steps", f"{max(lines):,}")]
    config = _json(workdir / "config.json")
    for section, key in (("model", "generator"), ("train", "batch_size"), ("train", "precision")):
        part = config.get(section)
        value = part.get(key) if isinstance(part, dict) else None
        facts += [(key.replace("_", " "), str(value))] if value is not None else []
    versions = _json(workdir / "versions.json")
    if versions:
        count, device = versions.get("device_count", 1), versions.get("device", "not stated")
        facts.append(("device", f"{count} × {device}" if count != 1 else str(device)))
        facts.append(("jax", str(versions.get("jax", "not stated"))))
    known = [(v, -step) for step in lines if (v := lines[step].get("validation/psnr")) is not None]
    if known:
        value, step = max(known)  # the earliest of equals
        facts.append(("best validation PSNR", f"{value:.2f} dB at step {-step:,}"))
    return facts


def _json(path: Path) -> dict[str, Any]:
    """A JSON object, or {} where there is none; it only adds words."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
