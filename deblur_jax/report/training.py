"""What a run left: its curves from `metrics.jsonl`, its pictures from TensorBoard's events."""

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deblur_jax import plots
from deblur_jax.atomic import reason
from deblur_jax.errors import UserError

MOST_STEPS = 6  # at which pictures are shown
IMAGES = "blurred_restored_sharp"  # the tag that training writes pictures under
LineOf = dict[str, float | None]


@dataclass(frozen=True)
class Panel:
    """One plot: its name among the files, the drawing, and a word about it."""

    name: str
    svg: str
    note: str = ""


@dataclass(frozen=True)
class Frame:
    """Pictures of one step, as PNG."""

    step: int
    tag: str
    png: bytes


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
    panels: list[Panel]
    frames: list[Frame]
    warnings: list[str]
    csv: str


@dataclass(frozen=True)
class _Plan:
    """Which keys share a plot."""

    name: str
    title: str
    y_label: str
    holds: Callable[[str], bool]
    log_y: bool = False
    note: str = ""


def _one_of(*names: str) -> Callable[[str], bool]:
    return lambda key: key in names


def _under(prefix: str) -> Callable[[str], bool]:
    return lambda key: key.startswith(prefix)


_CRITIC = ("loss/critic", "loss/critic_wasserstein", "loss/gradient_penalty", "loss/adversarial")
_PLANS = (
    _Plan(
        "adversarial", "The critic's loss and the adversarial term", "loss", _one_of(*_CRITIC),
        note="critic_wasserstein is mean D(restored) − mean D(sharp): it rises towards 0 as the "
        "critic is beaten.",
    ),
    _Plan("generator", "The generator's loss and its parts", "loss", lambda k: "loss" in k, True),
    _Plan(
        "psnr", "PSNR of the training crops, and of the validation pairs", "dB",
        _one_of("psnr/blurred", "psnr/restored", "validation/psnr", "validation/psnr_blurred"),
    ),
    _Plan("validation", "Other scores of the validation", "", _under("validation/")),
    _Plan(
        "colour", "Colour guard: shift of each channel", "grey levels",
        _one_of("guard/red", "guard/green", "guard/blue"),
        note="Restored less blurred, mean over the pictures. More than a few grey levels show.",
    ),
    _Plan(
        "grid", "Grid guard", "dB", _one_of("guard/grid"),
        note="How far a pattern of 2 or 4 pixels stands out.",
    ),
    _Plan("clipped", "Values that became black or white", "share", _one_of("guard/clipped")),
    _Plan("rates", "Learning rates", "", _under("learning_rate")),
    _Plan("balance", "Weights of the loss's parts", "", _under("weight/"), True),
    _Plan("gradients", "Gradient norms", "", _under("gradient_norm/"), True),
    _Plan("speed", "Speed", "a second", _under("time/")),
)  # fmt: skip


def read(path: str | Path) -> Training:
    """Reads a run from its `metrics.jsonl`, and what else lies in its folder.

    A last line that a crash cut off is left out; where a resumed run wrote a step again, the later
    line counts.

    Raises:
      UserError: the file cannot be read, has no line, or a line that is no flat object of numbers
        with a whole-numbered `step`; the line's number is named.
    """
    path = Path(path)
    lines = _lines(path)
    steps = sorted(lines)
    keys = list(dict.fromkeys(key for step in steps for key in lines[step]))
    panels, used = [], set[str]()
    for plan in _PLANS:
        own = [key for key in keys if plan.holds(key) and key not in used]
        used |= set(own)
        panel = _panel(plan, own, steps, lines)
        panels += [panel] if panel else []
    frames, trouble = _frames(path.parent)
    order = ("generator", "adversarial")  # as one reads them
    panels.sort(key=lambda p: order.index(p.name) if p.name in order else len(order))
    return Training(
        path=path,
        label=path.resolve().parent.name,
        facts=_facts(path.parent, steps, lines),
        panels=panels,
        frames=frames,
        warnings=_gaps(keys, steps, lines) + trouble,
        csv=_csv(keys, steps, lines),
    )


def _lines(path: Path) -> dict[int, LineOf]:
    try:
        texts = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path}: {reason(error)}") from error
    found: dict[int, LineOf] = {}
    for number, text in enumerate(texts, start=1):
        if not text.strip():
            continue
        try:
            line = json.loads(text)
        except ValueError as error:
            if number == len(texts) and not text.endswith("\n"):
                break  # cut off by a crash
            raise UserError(f"{path}, line {number}: no JSON") from error
        step = line.pop("step", None) if isinstance(line, dict) else None
        if not isinstance(step, int) or isinstance(step, bool):
            raise UserError(f"{path}, line {number}: no object with a whole-numbered step")
        found[step] = {key: _number(value) for key, value in line.items() if _is_number(value)}
    if not found:
        raise UserError(f"{path}: not one line of a training run")
    return found


def _is_number(value: Any) -> bool:
    words = ("nan", "inf", "-inf", "infinity", "-infinity")
    if isinstance(value, str):
        return value.lower() in words
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _number(value: Any) -> float | None:
    """A number that is not finite is a gap."""
    return None if value is None or not math.isfinite(float(value)) else float(value)


def _panel(
    plan: _Plan, keys: Sequence[str], steps: Sequence[int], lines: dict[int, LineOf]
) -> Panel | None:
    series = []
    for key in keys:
        x = [step for step in steps if key in lines[step]]
        y = [lines[step][key] for step in x]
        if any(value is not None for value in y):
            series.append(plots.Line(key.rpartition("/")[2], x, y, dashed="blurred" in key))
    if not series:
        return None
    values = [value for line in series for value in line.y if value is not None]
    svg = plots.lines(
        plan.title,
        series,
        x_label="step",
        y_label=plan.y_label,
        log_y=plan.log_y and min(values) > 0,
    )
    return Panel(plan.name, svg, plan.note)


def _gaps(keys: Sequence[str], steps: Sequence[int], lines: dict[int, LineOf]) -> list[str]:
    found = []
    for key in keys:
        at = [step for step in steps if key in lines[step] and lines[step][key] is None]
        if at:
            count = "1 line" if len(at) == 1 else f"{len(at)} lines"
            found.append(f"{count} without a finite {key}, first at step {at[0]}.")
    return found


def _facts(workdir: Path, steps: Sequence[int], lines: dict[int, LineOf]) -> list[tuple[str, str]]:
    facts = [("steps", f"{steps[-1]:,}"), ("lines", str(len(steps)))]
    versions = _json(workdir / "versions.json")
    if versions:
        count = versions.get("device_count", 1)
        device = versions.get("device", "not stated")
        facts.append(("device", f"{count} × {device}" if count != 1 else str(device)))
        facts.append(("jax", str(versions.get("jax"))))
    config = _json(workdir / "config.json")
    for section, key in (("model", "generator"), ("train", "batch_size"), ("train", "precision")):
        value = (config.get(section) or {}).get(key) if config else None
        facts += [(key.replace("_", " "), str(value))] if value is not None else []
    for key, words in (("validation/psnr", "best validation PSNR"),):
        known = [(v, s) for s in steps if (v := lines[s].get(key)) is not None]
        if known:
            value, step = max(known)
            facts.append((words, f"{value:.2f} dB at step {step:,}"))
    return facts


def _json(path: Path) -> dict[str, Any]:
    """A JSON object, or {} where there is none; it only adds words."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _frames(workdir: Path) -> tuple[list[Frame], list[str]]:
    """Pictures from the events, evenly over the run; and what kept them from being read."""
    if not list(workdir.glob("events.out.tfevents.*")):
        return [], []
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(str(workdir), size_guidance={"tensors": 100})
        events.Reload()
        if IMAGES not in events.Tags()["tensors"]:
            return [], []
        by_step = {event.step: event.tensor_proto for event in events.Tensors(IMAGES)}
    except Exception as error:  # damaged events take nothing from the curves
        return [], [f"The pictures in TensorBoard's events cannot be read ({reason(error)})."]
    steps = sorted(by_step)
    count = min(len(steps), MOST_STEPS)
    places = {round(i * (len(steps) - 1) / max(count - 1, 1)) for i in range(count)}
    words = IMAGES.replace("_", ", ")
    return [
        Frame(steps[place], words, png)
        for place in sorted(places)
        for png in by_step[steps[place]].string_val[2:3]  # width, height, then the pictures
    ], []


def _csv(keys: Sequence[str], steps: Sequence[int], lines: dict[int, LineOf]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["step", *keys])
    for step in steps:
        values = [lines[step].get(key) for key in keys]
        writer.writerow([step, *("" if value is None else repr(value) for value in values)])
    return stream.getvalue()
