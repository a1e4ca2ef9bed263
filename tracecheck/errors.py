"""The errors a user sees: one line that names the file, the place and what to do."""


class TracecheckError(Exception):
    """Something the user must know; the command line prints it as one line.

    Attributes:
        exit_code: What the process exits with.
    """

    exit_code = 4


class InputError(TracecheckError):
    """An input cannot be read at all (exit code 4)."""

    exit_code = 4


class UsageError(TracecheckError):
    """The request does not fit the input: an unknown context, a bad option (exit code 2)."""

    exit_code = 2
