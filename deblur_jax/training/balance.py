"""How hard each term of the generator's loss pulls at its output, and the weight that evens it out.

The Columbia report chose its perceptual weight by trial, so that the terms stand in a similar
scale; here it is measured. What trains the generator is not a term's size but its gradient, so a
weight is proposed by the gradients' norms with respect to the restored pictures.
"""

import json
import math
from pathlib import Path
from typing import Any

from deblur_jax.atomic import reason
from deblur_jax.errors import UserError

RESULT = "calibration.json"


def proposal(terms: dict[str, dict[str, float]], wanted: float) -> dict[str, Any]:
    """Weighs the perceptual term against the adversarial one, or else the pixel loss.

    Args:
      terms: of each by name its `weight`, mean `size` and mean `gradient` norm with respect to the
        restored pictures, both without the weight.
      wanted: what the perceptual gradient shall be times the other, weights included.

    Returns:
      `terms`, `against`, `ratio` (what it is), `wanted`, and `proposed`, the weight to take.

    Raises:
      UserError: one of the two has no gradient.
    """
    against = "adversarial" if "adversarial" in terms else "pixel"
    pulls = {name: term["weight"] * term["gradient"] for name, term in terms.items()}
    if not (pulls[against] > 0 and pulls["perceptual"] > 0):
        raise UserError(
            f"the {against} or the perceptual term has no gradient: no weight balances them"
        )
    ratio = pulls["perceptual"] / pulls[against]
    return {
        "terms": terms,
        "against": against,
        "ratio": ratio,
        "wanted": wanted,
        "proposed": terms["perceptual"]["weight"] * wanted / ratio,
    }


def logged(workdir: str | Path, config: Any) -> dict[str, float]:
    """What a run's lines say of the balance: its weight and, once measured, the gradients' ratio.

    Args:
      workdir: folder of the run.
      config: the run's configuration.

    Returns:
      `weight/perceptual`, and `weight/gradient_ratio`, rescaled to the run's weights, where the
      workdir's `calibration.json` was measured with this perceptual loss; {} without one.

    Raises:
      UserError: `calibration.json` is there and cannot be read.
    """
    loss = config.loss
    if not loss.perceptual_weight:
        return {}
    values = {"weight/perceptual": float(loss.perceptual_weight)}
    path = Path(workdir) / RESULT
    if not path.exists():
        return values
    try:
        found = json.loads(path.read_text())
        against = found["against"]
        pulls = [
            float(loss[f"{name}_weight"]) * float(found["terms"][name]["gradient"])
            for name in ("perceptual", against)
        ]
        same = all(found[key] == value for key, value in setting(config).items())
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise UserError(f"cannot read {path}: {reason(error)}; it may be deleted") from error
    if not all(0 <= pull < math.inf for pull in pulls):
        raise UserError(f"cannot read {path}: its gradients are no positive numbers")
    if same and pulls[1]:
        values["weight/gradient_ratio"] = pulls[0] / pulls[1]
    return values


def setting(config: Any) -> dict[str, Any]:
    """What a calibration depends on beside the weights: the perceptual loss and the crops."""
    loss = config.loss
    return {
        "perceptual": loss.perceptual,
        "vgg": loss.vgg,
        "vgg_source": loss.vgg_source,
        "vgg_tap": loss.vgg_tap,
        "vgg_preprocessing": loss.vgg_preprocessing,
        "crop": config.data.crop,
        "batch_size": config.train.batch_size,
    }


def summary(found: dict[str, Any]) -> str:
    """The measures for a person to read."""
    rows = [("term", "weight", "size", "weighted", "gradient", "weighted")]
    for name, term in found["terms"].items():
        weight, size, gradient = (term[key] for key in ("weight", "size", "gradient"))
        rows.append(
            (name, f"{weight:.4g}", f"{size:.4g}", f"{weight * size:.4g}", f"{gradient:.4g}",
             f"{weight * gradient:.4g}")
        )  # fmt: skip
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    vgg = f"{found['vgg_source']} {found['vgg']}, {found['vgg_tap']}"
    begun = f"step {found['step']}" if found["step"] else "a fresh generator"
    if found["critic_updates"]:
        begun += f" and a critic after {found['critic_updates']} updates"
    return "\n".join(
        [
            f"means over {found['batches']} batches of {found['batch_size']}, {begun}; VGG: {vgg}, "
            f"preprocessing {found['vgg_preprocessing']!r}",
            *lines,
            f"at loss.perceptual_weight={found['terms']['perceptual']['weight']:g} the perceptual "
            f"gradient is {found['ratio']:.3g} times the {found['against']} one",
            f"for {found['wanted']:g} times: "
            f"--config.loss.perceptual_weight={found['proposed']:.3g}",
        ]
    )
