"""One connection of a live session: how it is opened, what is read from it, and what its end means."""

import asyncio
import contextlib
import json

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, InvalidURI, WebSocketException

from gymspotter.client.failures import NO_ANSWER, ServiceError
from gymspotter.errors import InputError
from gymspotter.stream.events import ErrorMessage, Event, Welcome, read_event

_ANSWER_S = 10.0
# Bytes of the largest message that the service sends.
_MESSAGE_BYTES = 2**22
# WebSocket's own codes for what would be refused again.
_REFUSALS = {1002: 400, 1003: 400, 1007: 400, 1008: 403, 1009: 413}


def stream_url(url: str) -> str:
    """The WebSocket of a service by its address: http://host:8000 -> ws://host:8000/v1/stream.

    Raises:
        InputError: it is not an http, https, ws or wss address.
    """
    scheme, found, rest = url.partition("://")
    secure = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}.get(scheme.lower())
    if not found or secure is None or not rest.strip("/"):
        raise InputError(f"url is {url!r}: give the address of a service, like http://127.0.0.1:8000.")
    rest = rest.rstrip("/")
    return f"{secure}://{rest}" if rest.endswith("/v1/stream") else f"{secure}://{rest}/v1/stream"


async def opened(url: str, hello: str, token: str | None) -> tuple[ClientConnection, Welcome]:
    """A connection to a stream that has been welcomed.

    Raises:
        InputError: the address cannot be used.
        ServiceError: nothing answers there, or it refuses.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        socket = await connect(
            url, additional_headers=headers, compression=None, max_size=_MESSAGE_BYTES, open_timeout=_ANSWER_S
        )
    except InvalidURI as error:
        raise InputError(f"url is {url!r}: give the address of a service, like http://127.0.0.1:8000.") from error
    except InvalidStatus as error:
        raise ServiceError(error.response.status_code, _refusal(error)) from error
    except (OSError, WebSocketException) as error:
        reason = str(error) or type(error).__name__
        raise ServiceError(NO_ANSWER, f"no service answers at {url} ({reason}).") from error
    try:
        with contextlib.suppress(ConnectionClosed):  # said again, with its reason, by the receipt
            await socket.send(hello)
        async with asyncio.timeout(_ANSWER_S):
            return socket, await _welcome(socket)
    except TimeoutError as error:
        await socket.close()
        raise ServiceError(NO_ANSWER, f"the service at {url} did not answer the hello.") from error
    except BaseException:
        await socket.close()
        raise


async def _welcome(socket: ClientConnection) -> Welcome:
    told: ErrorMessage | None = None
    try:
        while True:
            event = event_of(await socket.recv())
            if isinstance(event, Welcome):
                return event
            told = event if isinstance(event, ErrorMessage) else told
    except ConnectionClosed as closed:
        raise why(closed, told) from closed


def event_of(data: str | bytes) -> Event | None:
    """An event of the service; None if this client does not know it: a newer service has more."""
    try:
        return read_event(json.loads(data))
    except (InputError, ValueError, RecursionError):
        return None


def why(closed: ConnectionClosed, told: ErrorMessage | None) -> ServiceError:
    """What a closed connection means, with the error that the service sent before, if any."""
    code = closed.rcvd.code if closed.rcvd else 1006
    status = code - 4000 if 4400 <= code < 4500 else _REFUSALS.get(code, NO_ANSWER)
    reason = closed.rcvd.reason if closed.rcvd else ""
    if told and status != NO_ANSWER:
        return ServiceError(told.status if code >= 4400 else status, told.detail)
    return ServiceError(status, reason or f"the service closed the connection (code {code}).")


def _refusal(error: InvalidStatus) -> str:
    """The sentence of an HTTP answer to the handshake: a problem document's detail, if it is one."""
    status = error.response.status_code
    with contextlib.suppress(ValueError, TypeError, KeyError):
        return str(json.loads(error.response.body or b"")["detail"])
    return f"the service answered {status} to the opening of a stream."
