"""The error that the command line reports in one line."""


class InputError(Exception):
    """Invalid input by the user; the message is one line."""
