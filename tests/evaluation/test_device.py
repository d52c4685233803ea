"""What a processor is called in results."""

import jax
import pytest

from deblur_jax.evaluation import device

CORE = """processor	: {}
cpu family	: {}
model		: {}
model name	: {}
bugs		: none: at all

"""


@pytest.mark.parametrize(
    "name, told",
    [
        ("AMD EPYC", "AMD EPYC, family 25, model 17"),
        (
            "Intel(R) Xeon(R) CPU @ 2.20GHz",
            "Intel(R) Xeon(R) CPU @ 2.20GHz, family 25, model 17",
        ),
        ("AMD EPYC 7763 64-Core Processor", "AMD EPYC 7763 64-Core Processor"),
    ],
)
def test_a_name_without_a_number_is_told_from_others_of_it(
    name, told, tmp_path, monkeypatch
) -> None:
    if jax.default_backend() != "cpu":
        pytest.skip("the default device is no CPU")
    path = tmp_path / "cpuinfo"
    path.write_text(CORE.format(0, 25, 17, name) + CORE.format(1, 26, 2, "another"))
    monkeypatch.setattr(device, "CPUINFO", path)
    monkeypatch.setattr(device, "_usable_cores", lambda: 2)
    assert device.device_name() == f"cpu: {told} (2 cores)"


@pytest.mark.parametrize("text", ["", "model name\t: Some Arm\n", "Hardware\t: BCM\n"])
def test_a_system_that_tells_less(text, tmp_path, monkeypatch) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(text)
    monkeypatch.setattr(device, "CPUINFO", path)
    expected = "Some Arm" if "Arm" in text else ""
    assert device._processor() == expected
    monkeypatch.setattr(device, "CPUINFO", tmp_path / "none")
    assert device._processor() == ""
