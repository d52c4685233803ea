"""A run's curves: which of its numbers share a plot, and in what words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from deblur_jax import plots
from deblur_jax.report.metrics_log import LineOf, keys_of


@dataclass(frozen=True)
class Panel:
    """One plot: its name among the files, the drawing, and a word about it."""

    name: str
    svg: str
    note: str = ""


@dataclass(frozen=True)
class _Plan:
    """Which keys share a plot.

    Attributes:
      named: keys in the order they are drawn in, with their words.
      others: whether any other key belongs here too, by its name.
      tones: of a key among the plot's colours, where it has one of its own.
    """

    name: str
    title: str
    y_label: str
    named: Mapping[str, str] = field(default_factory=dict)
    others: Callable[[str], bool] = lambda _: False
    log_y: bool = False
    note: str = ""
    tones: Mapping[str, int] = field(default_factory=dict)


def _under(prefix: str) -> Callable[[str], bool]:
    return lambda key: key.startswith(prefix)


# In the order in which they take their keys; shown in this order but for the generator's, which
# takes what is left of the losses and is shown first.
_PLANS = (
    _Plan(
        "adversarial", "The critic's loss and the adversarial term", "loss",
        {
            "loss/critic": "critic",
            "loss/critic_wasserstein": "its Wasserstein term",
            "loss/gradient_penalty": "its gradient penalty",
            "loss/adversarial": "generator's adversarial term",
        },
        note="Wasserstein term: mean D(restored) − mean D(sharp), which rises towards 0 as the "
        "critic is beaten.",
    ),
    _Plan(
        "generator", "The generator's loss and its parts", "loss",
        {"loss/generator": "generator, weighted sum"}, lambda key: "loss" in key, log_y=True,
        note="The parts before their weights.",
    ),
    _Plan(
        "psnr", "PSNR of the training crops and of the validation pairs", "dB",
        {
            "psnr/blurred": "crops, blurred",
            "psnr/restored": "crops, restored",
            "validation/psnr_blurred": "validation, blurred",
            "validation/psnr": "validation, restored",
        },
    ),
    _Plan("validation", "Other scores of the validation", "", others=_under("validation/")),
    _Plan(
        "colour", "Colour guard: shift of each channel", "grey levels",
        {"guard/red": "red", "guard/green": "green", "guard/blue": "blue"},
        note="Restored less blurred, mean over the pictures. More than a few grey levels show.",
        tones={"guard/red": 1, "guard/green": 2, "guard/blue": 0},
    ),
    _Plan(
        "grid", "Grid guard", "dB", {"guard/grid": "grid"},
        note="How far a pattern of 2 or 4 pixels stands out.",
    ),
    _Plan("clipped", "Values that became black or white", "share", {"guard/clipped": "clipped"}),
    _Plan("rates", "Learning rate", "", others=_under("learning_rate")),
    _Plan("balance", "Weights of the loss's parts", "", others=_under("weight/"), log_y=True),
    _Plan("gradients", "Gradient norms", "", others=_under("gradient_norm/"), log_y=True),
    _Plan("speed", "Speed", "a second", others=_under("time/")),
)  # fmt: skip


def panels(lines: dict[int, LineOf]) -> list[Panel]:
    """The plots of a run's lines; a plot whose keys have no number is left out."""
    keys, used = keys_of(lines), set[str]()
    found = []
    for plan in _PLANS:
        own = [key for key in plan.named if key in keys and key not in used]
        own += [key for key in keys if plan.others(key) and key not in used and key not in own]
        used |= set(own)
        panel = _panel(plan, own, lines)
        found += [panel] if panel else []
    return sorted(found, key=lambda panel: panel.name != "generator")


def _panel(plan: _Plan, keys: list[str], lines: dict[int, LineOf]) -> Panel | None:
    series = []
    for key in keys:
        x = [step for step, line in lines.items() if key in line]
        y = [lines[step][key] for step in x]
        if any(value is not None for value in y):
            words = plan.named.get(key, key.rpartition("/")[2].replace("_", " "))
            series.append(
                plots.Line(words, x, y, dashed="blurred" in key, tone=plan.tones.get(key))
            )
    if not series:
        return None
    values = [value for line in series for value in line.y if value is not None]
    svg = plots.lines(
        plan.title,
        series,
        x_label="step",
        y_label=plan.y_label or (series[0].name if len(series) == 1 else ""),  # has no legend
        # Zeros, as of a critic that waits for the generator, are gaps on such an axis.
        log_y=plan.log_y and min(values) >= 0 and max(values) > 0,
    )
    return Panel(plan.name, svg, plan.note)
