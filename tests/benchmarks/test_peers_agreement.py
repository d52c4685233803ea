"""Errors by hand, and what is refused."""

from typing import Any

import numpy as np
import pytest

from benchmarks.peers import agreement

PICTURE = np.linspace(-1, 1, 48).reshape(1, 4, 4, 3)


def test_a_picture_s_error_is_its_largest_difference() -> None:
    other = PICTURE.astype(np.float32)
    other[0, 1, 2, 0] += 0.25
    other[0, 3, 3, 1] -= 0.5
    found = agreement.errors({"picture": other}, {"picture": PICTURE})
    assert found == {"picture": pytest.approx(0.5, abs=1e-6)}


def test_losses_are_relative_and_gradients_by_the_whole_norm() -> None:
    reference: dict[str, Any] = {
        "loss/a": 10.0, "loss/zero": 0.0, "gradient/w": np.array([3.0, 0.0]),
        "gradient/b": np.array([[4.0]]),
    }  # fmt: skip
    own: dict[str, Any] = {
        "loss/a": 10.5, "loss/zero": 1e-5, "gradient/w": np.array([3.0, 0.3]),
        "gradient/b": np.array([[4.4]]),
    }  # fmt: skip
    found = agreement.errors(own, reference)
    assert found == {"losses": pytest.approx(0.05), "gradients": pytest.approx(0.5 / 5)}
    assert agreement.errors(reference, reference) == {"losses": 0, "gradients": 0}
    assert agreement.errors({"loss/zero": 1e-4}, {"loss/zero": 0.0}) == {
        "losses": pytest.approx(0.1)
    }


@pytest.mark.parametrize(
    ("error", "refused"), [(0.0, False), (1e-3, False), (1.1e-3, True), (np.nan, True)]
)
def test_what_is_off_by_more_than_a_thousandth_is_refused(error: float, refused: bool) -> None:
    why = agreement.refusal("torch", {"losses": 0.0, "gradients": error})
    assert (why is not None) == refused
    if why:
        assert why.startswith("torch computes something else") and "gradients" in why
        assert "0.001" in why and "\n" not in why


@pytest.mark.parametrize("key", ["picture", "loss/a", "gradient/a"])
def test_a_value_that_is_no_number_is_no_agreement(key: str) -> None:
    own, reference = np.array([1.0, np.nan]), np.array([1.0, 1.0])
    own, reference = (own[1], reference[1]) if key == "loss/a" else (own, reference)
    found = agreement.errors({key: own}, {key: reference})
    assert agreement.refusal("jax", found) is not None


def test_outputs_of_another_shape_are_an_error() -> None:
    with pytest.raises(ValueError, match="outputs are"):
        agreement.errors({"picture": PICTURE[:, 1:]}, {"picture": PICTURE})
    with pytest.raises(ValueError, match="outputs are"):
        agreement.errors({}, {"picture": PICTURE})
