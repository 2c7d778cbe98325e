"""What a person can mend."""


class UserError(Exception):
    """Wrong input, or something outside that must be mended first.

    The message is for people: one line (or more, one a fault) with what, where and the fix. The
    command line prints it without a traceback and ends with status 2.
    """
