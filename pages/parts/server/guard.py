"""What every request passes first: nothing is asked for, and nothing framed, by a page of another origin.

Streamlit lets in the websocket of any page of this machine, whatever its port, and a websocket can press every button.

>>> Guard(st.App(__file__), allowed=["https://gate.example"])
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_READING = ("GET", "HEAD", "OPTIONS")
_POLICY = "Content-Security-Policy"
FRAMED = "frame-ancestors 'self'"
SANDBOXED = {_POLICY: f"sandbox allow-scripts; {FRAMED}"}  # what is shown so runs its scripts as of another origin


class Guard:
    """Middleware. `allowed`: further origins that may open the dashboard's websocket, such as "https://gate.example".

    A websocket, or a request that changes something, from a page of another origin is refused with 403; clients that
    are no browsers send no origin, and pass. Every answer forbids other origins to put it into a frame.
    """

    def __init__(self, app: ASGIApp, allowed: Sequence[str] = ()) -> None:
        self.app, self.allowed = app, {origin.rstrip("/") for origin in allowed}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        changes = scope["type"] == "websocket" or scope["method"] not in _READING
        if changes and not self._is_own(Headers(scope=scope)):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008, "reason": "another origin"})
            else:
                await PlainTextResponse("refused: asked for by a page of another origin", 403)(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).setdefault(_POLICY, FRAMED)
            await send(message)

        await self.app(scope, receive, send_guarded)

    def _is_own(self, headers: Headers) -> bool:
        origin = headers.get("origin")
        try:
            return origin is None or origin in self.allowed or urlsplit(origin).netloc == headers.get("host")
        except ValueError:  # no address at all, such as "http://["
            return False
