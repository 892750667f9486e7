"""Read single values of a client's messages; whatever is odd about one raises InputError, and nothing else does."""

import json
import math
from collections.abc import Mapping
from typing import Any

from gymspotter.errors import InputError

_MAX_SECRET = 512
_HUGE = 2**63


def _no_constant(text: str) -> float:
    raise InputError(f"the message has {text}, which is not JSON: send null for what was not seen.")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def as_object(text: str | bytes) -> dict[str, Any]:
    """The JSON object in a text message."""
    try:
        if not isinstance(text, str):
            text = bytes(text).decode()
        message = _DECODER.decode(text)
    except InputError:
        raise
    except (ValueError, RecursionError, TypeError) as error:  # not UTF-8, not JSON, too deep, too many digits
        raise InputError("the message is not JSON in UTF-8.") from error
    if type(message) is not dict:
        raise InputError("the message is not a JSON object.")
    return message


def only(message: Mapping[str, Any], *known: str) -> None:
    """Refuse a message with any other field, so that a misspelt one is not passed over."""
    for key in message:
        if key not in known:
            raise InputError(f"the message has an unknown field {shown(key)}: use {', '.join(known)}.")


def number(message: Mapping[str, Any], name: str, least: float, most: float, default: float) -> float:
    """The field as a number in least..most; ``default`` where it is missing."""
    value = message.get(name, default)
    if type(value) not in (float, int) or not least <= value <= most:
        raise InputError(f"{name} is {shown(value)}: use a number from {least:g} to {most:g}.")
    return float(value)


def whole(message: Mapping[str, Any], name: str, least: int, most: int) -> int | None:
    """The field as a whole number in least..most; None where it is missing."""
    value = message.get(name)
    if value is not None and (type(value) is not int or not least <= value <= most):
        raise InputError(f"{name} is {shown(value)}: use a whole number from {least} to {most}.")
    return value


def secret(message: Mapping[str, Any], name: str) -> str | None:
    """The field as a short text; None where it is missing."""
    value = message.get(name)
    if value is not None and (not isinstance(value, str) or not 1 <= len(value) <= _MAX_SECRET):
        raise InputError(f"{name} is no text of 1 to {_MAX_SECRET} characters.")  # never shown: it may be a secret
    return value


def shown(value: Any) -> str:
    """A value as an error may show it: short, whatever it was."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    if value is None:
        return "missing"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _HUGE:
        return "a huge number"  # str() of too many digits raises
    text = str(value)[:40]
    return repr(text) if isinstance(value, str) else text.lower() if isinstance(value, bool) else text


def counted(value: Any) -> str:
    """How many entries a list has, for an error; otherwise as `shown`."""
    return f"a list of {len(value)}" if isinstance(value, list) else shown(value)
