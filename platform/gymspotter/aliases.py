"""Which version is the champion, since when and why: every move of the alias is written down beside the model.

A move is a tag of the registered model and is never changed. It is written before the alias is moved, so that nothing
is moved that is not written.
"""

import getpass
import json
import socket
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Literal

import mlflow
from mlflow.exceptions import MlflowException

from gymspotter.errors import InputError
from gymspotter.names import CHAMPION, MODEL_NAME
from gymspotter.tracking import shown

_MOVE = "move."
_ABSENT = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND"}


Kind = Literal["registration", "promotion", "rollback"]


@dataclass(frozen=True, kw_only=True)
class Move:
    """One move of the champion's alias: from a version ("" for none) to another, by whom, when (UTC) and why."""

    kind: Kind
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
            store = shown(mlflow.get_registry_uri())
            raise InputError(
                f"model {MODEL_NAME}@{which} is not in the registry {store!r}: train one with "
                "`gymspotter train`, or name another alias or version, or another store with MLFLOW_TRACKING_URI."
            ) from error
        raise
    return str(found.version)


def champion() -> str:
    """The champion's version; "" if there is none."""
    try:
        return version_at(CHAMPION)
    except InputError:
        return ""


def move_champion(version: str, kind: Kind, *, why: str, who: str = "") -> Move:
    """Make a version the champion, and write down that it was done.

    Raises:
        InputError: there is no such version.
    """
    client, after, now = mlflow.MlflowClient(), version_at(version), datetime.now(UTC)
    made = Move(
        kind=kind,
        before=champion(),
        after=after,
        who=who or somebody(),
        when=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        why=why,
    )
    # In their order by name; two that move at once each keep a tag of their own.
    name = f"{_MOVE}{now.strftime('%Y%m%d-%H%M%S-%f')}-{uuid.uuid4().hex[:6]}"
    client.set_registered_model_tag(MODEL_NAME, name, json.dumps(asdict(made)))
    try:
        client.set_registered_model_alias(MODEL_NAME, CHAMPION, after)
    except MlflowException:
        client.delete_registered_model_tag(MODEL_NAME, name)
        raise
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


def one_back(moves: Sequence[Move], now: str) -> str:
    """The version before the champion ``now``; what was rolled back is not gone back to.

    Where somebody has moved the alias by hand, it is the champion that is written last.

    Raises:
        InputError: there was none.
    """
    stack: list[str] = []
    for move in moves:
        if move.kind == "rollback" and move.after in stack:
            while stack[-1] != move.after:
                stack.pop()
        else:
            stack.append(move.after)
    if stack and stack[-1] != now:
        return stack[-1]
    if len(stack) < 2:
        raise InputError("rollback: there was no champion before this one: name a version with --to.")
    return stack[-2]
