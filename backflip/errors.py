"""A mistake that the user can mend: shown in one line, without a traceback."""


class UserError(Exception):
    """The message names what is wrong, where, and what to do."""
