"""The one family of errors that bad input raises."""


class InputError(ValueError):
    """Something a person handed in cannot be used.

    The message is one sentence that names the field and says how to mend it, fit to be shown as it is on a terminal,
    in a quarantine row or in an HTTP answer.
    """


class VideoError(InputError):
    """A video cannot be opened, has no picture, or breaks while it is decoded."""


class NoPersonError(InputError):
    """A video was decoded, but the estimator saw a person in none of its frames."""
