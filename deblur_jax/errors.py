"""Errors that a user can act on: one clear sentence each, never a traceback."""


class UserError(Exception):
    """Something outside the program is wrong: a file, a folder, the disk. Exit code 1."""

    exit_code = 1


class UsageError(UserError):
    """The call itself is wrong: an option, a configuration key, an empty folder. Exit code 2."""

    exit_code = 2
