"""Unpacking GOPRO_Large.zip, in as many goes as it takes."""

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

from deblur_jax.atomic import atomic_write, make_folder, reason
from deblur_jax.data.gopro.large_files import BLOCK, progress, refuse_full_disk
from deblur_jax.errors import UserError
from deblur_jax.images import IMAGE_SUFFIXES

_FOLDERS = ("train", "test")
_PARTS = ("blur", "blur_gamma", "sharp")
# What a zip that is none, or half of one, or damaged, makes Python's reader raise.
_DAMAGE = (zipfile.BadZipFile, struct.error, EOFError, ValueError, NotImplementedError)
_ENCRYPTED = 0x1  # of a member's flags (APPNOTE 4.4.4)


def unpack(archive: Path, folder: Path) -> int:
    """Unpacks the pictures of train/ and test/ into `folder`/{train,test}/<scene>/<part>/.

    The zip may have them at its root or below one folder such as GOPRO_Large. Files that are there
    with the right size and CRC are kept; each other one is written whole or not at all, so that the
    same call goes on after an interruption.

    Args:
        archive: the zip.
        folder: what is to be GOPRO_Large; made if absent.

    Returns:
        How many pictures the zip has.

    Raises:
        UserError: no such zip, a damaged or half-finished one, one without GoPro's pictures, an
            entry that would be written outside of `folder` (then nothing is written), or a disk
            that is too small.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            wanted = _wanted(archive, opened.infolist())
            make_folder(folder)
            _unpack_members(archive, opened, wanted, folder)
    except _DAMAGE as error:
        raise UserError(
            f"{archive}: not a zip, or not all of one ({reason(error)}); fetch it again"
        ) from error
    except OSError as error:
        raise UserError(f"cannot read {archive}: {reason(error)}") from error
    return len(wanted)


def _wanted(archive: Path, members: list[zipfile.ZipInfo]) -> dict[Path, zipfile.ZipInfo]:
    """The pictures' members by their paths in the folder; every member is checked first."""
    for member in members:
        _refuse_unsafe(archive, member)
    wanted: dict[Path, zipfile.ZipInfo] = {}
    for member in members:
        path = _place(member)
        if path is None:
            continue
        if path in wanted:
            raise UserError(
                f"{archive}: {wanted[path].filename} and {member.filename} are the same picture"
                f" {path.as_posix()}"
            )
        wanted[path] = member
    if not wanted:
        raise UserError(
            f"{archive}: no GoPro pictures in it; expected"
            " {train,test}/<scene>/{blur,blur_gamma,sharp}/<frame>.png"
        )
    return wanted


def _refuse_unsafe(archive: Path, member: zipfile.ZipInfo) -> None:
    # A path as Windows reads it takes both kinds of slashes for separators, and knows of drives.
    path = PureWindowsPath(member.orig_filename)
    problem = None
    if path.drive or path.root or ".." in path.parts:
        problem = "leads out of the folder"
    elif stat.S_ISLNK(member.external_attr >> 16):
        problem = "is a symbolic link"
    elif "\0" in member.orig_filename:
        problem = "has a name with a zero byte"
    if problem is not None:
        raise UserError(
            f"{archive}: its entry {member.orig_filename!r} {problem}; nothing was unpacked"
        )


def _place(member: zipfile.ZipInfo) -> Path | None:
    """Where a picture belongs: {train,test}/<scene>/<part>/<file>; None for anything else."""
    parts = PureWindowsPath(member.filename).parts
    if member.is_dir() or len(parts) not in (4, 5):
        return None
    folder, _, part, name = parts[-4:]
    if folder not in _FOLDERS or part not in _PARTS or any(p.startswith(".") for p in parts):
        return None
    return Path(*parts[-4:]) if Path(name).suffix.lower() in IMAGE_SUFFIXES else None


def _unpack_members(
    archive: Path, opened: zipfile.ZipFile, wanted: dict[Path, zipfile.ZipInfo], folder: Path
) -> None:
    missing = [m for path, m in wanted.items() if not (folder / path).is_file()]
    refuse_full_disk(folder, sum(member.file_size for member in missing), "unpacking")
    total = sum(member.file_size for member in wanted.values())
    with progress(total, f"unpack {archive.name}") as bar:
        for path, member in wanted.items():
            if not _is_there(folder / path, member):
                _write_member(archive, opened, member, folder / path)
            bar.update(member.file_size)


def _is_there(path: Path, member: zipfile.ZipInfo) -> bool:
    try:
        if not path.is_file() or path.stat().st_size != member.file_size:
            return False
        crc = 0
        with path.open("rb") as stream:
            while block := stream.read(BLOCK):
                crc = zlib.crc32(block, crc)
    except OSError as error:
        raise UserError(f"cannot read {path}: {reason(error)}") from error
    return crc == member.CRC


def _write_member(
    archive: Path, opened: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path
) -> None:
    if member.flag_bits & _ENCRYPTED:
        raise UserError(f"{archive}: its entry {member.filename} is encrypted")
    with atomic_write(path) as target:
        for block in _blocks(archive, opened, member):
            target.write(block)
        if target.tell() != member.file_size:
            raise UserError(f"{archive}: its entry {member.filename} is cut short")


def _blocks(archive: Path, opened: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """The entry's contents; its CRC is checked at their end."""
    try:
        with opened.open(member) as source:
            while block := source.read(BLOCK):
                yield block
    except (*_DAMAGE, zlib.error, OSError) as error:
        raise UserError(
            f"{archive}: its entry {member.filename} is damaged ({reason(error)}); what was"
            " unpacked before is kept, fetch the zip again"
        ) from error
