"""Which version is the champion, since when and why: every move of the alias is written down beside the model.

A move is a numbered tag of the registered model and is never changed. It is written before the alias is moved, so that
nothing is moved that is not written.
"""

import getpass
import json
import socket
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import mlflow
from mlflow.exceptions import MlflowException

from gymspotter.errors import InputError

MODEL_NAME = "gymspotter"
CHAMPION, CHALLENGER = "champion", "challenger"
_MOVE = "move."
_ABSENT = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND"}


@dataclass(frozen=True, kw_only=True)
class Move:
    """One move of the champion's alias: from a version ("" for none) to another, by whom, when (UTC) and why."""

    number: int
    before: str
    after: str
    who: str
    when: str
    why: str


def somebody() -> str:
    """Who runs this: user and machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        user = "somebody"
    return f"{user}@{socket.gethostname()}"


def version_at(which: str) -> str:
    """The version number at an alias, or the number itself if there is such a version.

    Raises:
        InputError: there is none.
    """
    client = mlflow.MlflowClient()
    try:
        found = (
            client.get_model_version(MODEL_NAME, which)
            if which.isdigit()
            else client.get_model_version_by_alias(MODEL_NAME, which)
        )
    except MlflowException as error:
        if error.error_code in _ABSENT:
            raise InputError(
                f"model {MODEL_NAME}@{which} is not in the registry {mlflow.get_registry_uri()!r}: train one with "
                "`gymspotter train`, or name another alias, version or store."
            ) from error
        raise
    return str(found.version)


def champion() -> str:
    """The champion's version; "" if there is none."""
    try:
        return version_at(CHAMPION)
    except InputError:
        return ""


def move_champion(version: str, *, why: str, who: str = "") -> Move:
    """Make a version the champion, and write down that it was done.

    Raises:
        InputError: there is no such version.
    """
    client, after = mlflow.MlflowClient(), version_at(version)
    made = Move(
        number=len(history()) + 1,
        before=champion(),
        after=after,
        who=who or somebody(),
        when=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        why=why,
    )
    client.set_registered_model_tag(MODEL_NAME, f"{_MOVE}{made.number:06d}", json.dumps(asdict(made)))
    client.set_registered_model_alias(MODEL_NAME, CHAMPION, after)
    return made


def history() -> list[Move]:
    """All moves, the first one first."""
    try:
        tags = mlflow.MlflowClient().get_registered_model(MODEL_NAME).tags
    except MlflowException as error:
        if error.error_code in _ABSENT:
            return []
        raise
    return [Move(**json.loads(text)) for name, text in sorted(tags.items()) if name.startswith(_MOVE)]


def step_back() -> str:
    """The version that was the champion before the present one; what was rolled back is not gone back to.

    Raises:
        InputError: there was none.
    """
    stack: list[str] = []
    for move in history():
        # A move to what was the champion before is a step back: it takes the last step away.
        if len(stack) > 1 and move.after == stack[-2]:
            stack.pop()
        else:
            stack.append(move.after)
    if len(stack) < 2:
        raise InputError("rollback: there was no champion before this one: name a version with --to.")
    return stack[-2]
