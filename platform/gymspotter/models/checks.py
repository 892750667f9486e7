"""The checks that the models' configurations share."""

from typing import Any

from gymspotter.errors import InputError


def at_least_one(config: Any, *names: str) -> None:
    """Check that these fields are 1 or more.

    Raises:
        InputError: one is not; the message names it.
    """
    for name in names:
        if getattr(config, name) < 1:
            raise InputError(f"{name} is {getattr(config, name)}: use at least 1.")


def below_one(config: Any, *names: str) -> None:
    """Check that these fields are shares from 0 to below 1, as dropout is.

    Raises:
        InputError: one is not; the message names it.
    """
    for name in names:
        if not 0 <= getattr(config, name) < 1:
            raise InputError(f"{name} is {getattr(config, name):g}: use 0 or more and less than 1.")
