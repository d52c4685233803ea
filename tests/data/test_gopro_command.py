"""`python -m deblur_jax.data.gopro`: what it does, says and exits with."""

import hashlib
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from absl import flags
from file_server import Server, serve
from gopro_tree import SMALL, TEST, TRAIN, VALIDATION, make_tree, make_zip, pictures
from ml_collections import config_flags

from configs import best
from deblur_jax.data import gopro, training_set
from deblur_jax.data.gopro import __main__ as command
from deblur_jax.data.gopro import fetch as fetching
from deblur_jax.data.gopro import turns
from deblur_jax.errors import UserError

NEVER = "http://127.0.0.1:9/never-asked.zip"


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    return make_zip(make_tree(tmp_path / "tree"), tmp_path / "somewhere" / "GOPRO_Large.zip")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command, for the small tree."""
    monkeypatch.setattr(command, "fetch", partial(fetching.fetch, contents=SMALL))


@pytest.fixture
def server(packed: Path) -> Iterator[Server]:
    with serve(Server(packed.read_bytes())) as running:
        yield running


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_fetched_unpacked_and_checked(
    server: Server, packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    call = ["--directory", str(home), "--url", server.url, "--sha256", sha256(packed)]
    assert command.main(call) == 0
    root = home / "GOPRO_Large"
    assert pictures(root) == pictures(tmp_path / "tree")
    out = capsys.readouterr().out
    assert f"complete at {root}" in out and f"--config.data.pairs={root} " in out
    assert f"evaluate --pairs {root / 'test'}" in out
    # The second time there is nothing to do, with or without the zip, from the folder itself too.
    (home / "GOPRO_Large.zip").unlink()
    assert command.main(call) == 0
    assert command.main(["--directory", str(root), "--url", NEVER]) == 0
    assert len(server.requests) == 1


def test_the_training_command_trains_on_train_fit_and_is_watched_on_validation(
    packed: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gopro, "split_pairs", partial(gopro.split_pairs, contents=SMALL))
    home = tmp_path / "a home"
    call = ["--directory", str(home), "--zip", str(packed), "--sha256", sha256(packed)]
    assert command.main(call) == 0
    (line,) = [x for x in capsys.readouterr().out.splitlines() if x.startswith("train:")]
    python, *argv = shlex.split(line.removeprefix("train:"))
    assert (python, argv[0]) == ("python", "main.py")
    monkeypatch.setattr(sys, "argv", argv)  # where ml_collections looks for fields
    monkeypatch.chdir(Path(command.__file__).parents[3])
    values = flags.FlagValues()
    config_flags.DEFINE_config_file("config", flag_values=values)
    flags.DEFINE_string("workdir", None, "", flag_values=values)
    assert values(argv) == ["main.py"] and values.workdir
    data = values.config.data
    data.crop, data.cache = 8, "memory"
    trained = training_set.gather(data, seed=0).store
    watched = training_set.validation_pairs(data, 4)
    assert {name.split("/")[0] for name in trained.names} == set(TRAIN) - set(VALIDATION)
    assert watched is not None
    assert {name.split("/")[0] for name in watched.names} == set(VALIDATION)


def test_the_printed_command_is_that_of_the_readme_and_of_the_preset() -> None:
    root = Path(command.__file__).parents[3]
    printed = command._next_steps(Path("data/GOPRO_Large")).splitlines()[1].split()
    wanted = {word for word in printed if word.startswith("--config")}
    for text, folder in (
        ((root / "README.md").read_text(), "data/GOPRO_Large"),
        (str(best.__doc__), "GOPRO_Large"),
    ):
        start = text.index("main.py --config=configs/best.py")
        said = text[start : start + 500].replace("\\\n", " ").splitlines()[0].split()
        adapted = {word.replace("data/GOPRO_Large", folder) for word in wanted}
        assert {word for word in said if word.startswith("--config")} == adapted


def test_two_at_once_fetch_and_unpack_once(server: Server, packed: Path, tmp_path: Path) -> None:
    home, said = tmp_path / "home", [[], []]

    def fetch(number: int) -> Path:
        return fetching.fetch(
            home,
            url=server.url,
            sha256=sha256(packed),
            contents=SMALL,
            say=said[number].append,
        )

    with ThreadPoolExecutor(2) as pool:
        roots = list(pool.map(fetch, range(2)))
    assert roots == [home / "GOPRO_Large"] * 2
    assert pictures(roots[0]) == pictures(tmp_path / "tree")
    assert len(server.requests) == 1
    assert sorted(path.name for path in home.iterdir()) == ["GOPRO_Large", "GOPRO_Large.zip"]


def test_who_has_the_folder_is_waited_for_and_may_have_done_all(
    packed: Path, tmp_path: Path
) -> None:
    home, said = tmp_path / "home", []
    waiting = threading.Event()

    def say(sentence: str) -> None:
        said.append(sentence)
        waiting.set()

    with ThreadPoolExecutor(1) as pool:
        with turns.alone(home, pytest.fail):
            call = partial(fetching.fetch, home, url=NEVER, contents=SMALL, say=say)
            other = pool.submit(call)
            assert waiting.wait(20) and not other.done()
            make_tree(home / "GOPRO_Large")
        assert other.result(20) == home / "GOPRO_Large"
    assert said == [f"waiting for another process that fetches into {home}"]
    with turns.alone(home, pytest.fail):  # and let go again
        pass


def test_a_disk_without_locks_is_fetched_to_all_the_same(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(turns.fcntl, "flock", refuse)
    call = ["--directory", str(tmp_path), "--zip", str(packed), "--sha256", sha256(packed)]
    assert command.main(call) == 0


def test_a_zip_that_is_there_already(packed: Path, tmp_path: Path) -> None:
    call = ["--url", NEVER, "--sha256", sha256(packed)]
    assert command.main([*call, "--directory", str(packed.parent)]) == 0
    assert pictures(packed.parent / "GOPRO_Large") == pictures(tmp_path / "tree")
    elsewhere = tmp_path / "elsewhere"
    assert command.main([*call, "--directory", str(elsewhere), "--zip", str(packed)]) == 0
    assert pictures(elsewhere / "GOPRO_Large") == pictures(tmp_path / "tree")


def test_a_half_unpacked_folder_is_completed(
    packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_tree(packed.parent / "GOPRO_Large")
    shutil.rmtree(root / "train" / TRAIN[1])
    (root / "test" / TEST[0] / "sharp" / "000047.png").unlink()
    call = ["--directory", str(root), "--url", NEVER, "--sha256", sha256(packed)]
    assert command.main(call) == 0
    assert pictures(root) == pictures(tmp_path / "tree")
    assert f"scene {TRAIN[1]} is missing" in capsys.readouterr().err


def test_a_scene_too_much_is_said_before_anything_is_fetched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_tree(tmp_path / "GOPRO_Large")
    shutil.copytree(root / "train" / TRAIN[0], root / "train" / "GOPR0009_11_00")
    assert command.main(["--directory", str(tmp_path), "--url", NEVER]) == 1
    assert "GOPR0009_11_00 does not belong" in capsys.readouterr().err


def test_a_zip_of_another_hash_can_be_accepted(
    packed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["--directory", str(packed.parent), "--url", NEVER]
    assert command.main(call) == 1
    error = capsys.readouterr().err
    assert str(packed) in error and sha256(packed) in error and fetching.SHA256 in error
    assert "never verified" in error and not (packed.parent / "GOPRO_Large").exists()
    assert command.main([*call, "--sha256", sha256(packed)]) == 0


def test_a_zip_that_lacks_a_scene(
    packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(tmp_path / "tree" / "test")
    make_zip(tmp_path / "tree", packed)
    call = ["--directory", str(packed.parent), "--url", NEVER, "--sha256", sha256(packed)]
    assert command.main(call) == 1
    assert "GoPro's test/ is not there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("call", "code", "sentence"),
    [
        (["--sha256", "abc"], 2, "64 hexadecimal digits"),
        (["--zip", "nowhere.zip"], 1, "nowhere.zip: no such file"),
        (["--zip", "."], 1, ".: not a file"),
        (["--url", "ftp://host/x"], 1, "ftp://host/x: not an address"),
    ],
)
def test_wrong_calls(
    call: list[str],
    code: int,
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command.main(["--directory", str(tmp_path), *call]) == code
    assert sentence in capsys.readouterr().err


def test_a_file_where_the_folder_should_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert command.main(["--directory", str(tmp_path / "file"), "--url", NEVER]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ") and str(tmp_path / "file") in error


def test_an_interruption_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(fetching, "download", interrupt)
    assert command.main(["--directory", str(tmp_path)]) == 130
    error = capsys.readouterr().err.splitlines()[-1]
    assert error == "interrupted; the same command goes on from there"


def test_a_folder_that_may_not_be_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As it is for who is not root; for root every folder is open."""

    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_dir", refuse)
    assert command.main(["--directory", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"error: {tmp_path / 'train'}: permission denied\n"


def test_as_a_program(tmp_path: Path) -> None:
    """With the real contents: what is missing is named, and nothing but a sentence is said."""
    module = [sys.executable, "-m", "deblur_jax.data.gopro"]
    program = subprocess.run(
        [*module, "--directory", str(tmp_path), "--zip", str(tmp_path / "no.zip")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert program.returncode == 1 and program.stdout == ""
    assert program.stderr == f"error: {tmp_path / 'no.zip'}: no such file\n"
    wrong = subprocess.run([*module, "--surely"], capture_output=True, text=True, timeout=60)
    assert wrong.returncode == 2 and "--surely" in wrong.stderr


def test_neither_evaluation_nor_reading_fetches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from deblur_jax.data import gopro

    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(UserError, match=r"`python -m deblur_jax\.data\.gopro` fetches"):
        gopro.test_pairs()
    assert list(tmp_path.iterdir()) == []
