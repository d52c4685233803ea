"""What libraries say on their own, and that a program's own errors stay."""

import subprocess
import sys

CODE = """
import sys
from deblur_jax.quiet import quiet_libraries
quiet_libraries()
import os
from absl import logging
logging.error("chatter")
print(os.environ["TF_CPP_MIN_LOG_LEVEL"])

class Unraisable:
    def __init__(self, words):
        self.words = words
    def __del__(self):
        raise RuntimeError(self.words)

Unraisable("Event loop is closed")
Unraisable("something else")
"""


def test_only_what_is_ours_is_said() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.strip()  # the level of the user's own choice, or ours
    assert "chatter" not in done.stderr and "Event loop" not in done.stderr
    assert "something else" in done.stderr


def test_what_the_user_chose_stays(monkeypatch) -> None:
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"
