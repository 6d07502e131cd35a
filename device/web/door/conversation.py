"""One request and its answer as HTTP 1.1 has them: h11 knows the rules, and no socket is here."""

from __future__ import annotations

from email.utils import formatdate
from http import HTTPStatus

import h11

from device.web.door.answer import Answer

WITHOUT_BODY = (204, 304)
Event = h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED] | HTTPStatus


class Conversation:
    """The bytes of a request become events, and an answer becomes bytes."""

    def __init__(self, head_bytes: int) -> None:
        """`head_bytes`: the longest head, or line between chunks."""
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=head_bytes)

    @property
    def awaits_go_on(self) -> bool:
        """Whether the client sends its body only when it is told to."""
        return self._http.they_are_waiting_for_100_continue

    @property
    def unread(self) -> bytes:
        """What came after the end of the request."""
        return self._http.trailing_data[0]

    def head(self, head: bytes) -> h11.Request | HTTPStatus:
        """A whole head, parsed; or why it can't be."""
        self._http.receive_data(head)
        event = self.next_event()
        if isinstance(event, h11.Request | HTTPStatus):
            return event
        return HTTPStatus.BAD_REQUEST

    def receive(self, data: bytes) -> None:
        """More of the body's bytes, for `next_event`."""
        self._http.receive_data(data)

    def next_event(self) -> Event:
        """The next event, or the status to answer with where the request breaks HTTP's rules."""
        try:
            return self._http.next_event()
        except h11.RemoteProtocolError as error:
            status = error.error_status_hint
            return HTTPStatus(status) if status in (431, 501) else HTTPStatus.BAD_REQUEST
        except ValueError:  # a number with more digits than Python reads
            return HTTPStatus.BAD_REQUEST

    def go_on(self) -> bytes:
        """The bytes that tell the client to send its body."""
        return self._sent(h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue"))

    def answer(self, answer: Answer, method: str, *, closing: bool) -> bytes:
        """The bytes of an answer to a request of that method; `closing`: the last on this connection."""
        has_body = method != "HEAD" and answer.status not in WITHOUT_BODY
        headers = [each for each in answer.headers if method == "HEAD" or each[0].lower() != b"content-length"]
        headers.append((b"Date", formatdate(usegmt=True).encode()))
        if closing:
            headers.append((b"Connection", b"close"))
        if has_body:
            headers.append((b"Content-Length", str(len(answer.body)).encode()))
        sent = self._sent(h11.Response(status_code=answer.status, headers=headers, reason=answer.reason))
        if has_body:
            sent += self._sent(h11.Data(data=answer.body))
        return sent + self._sent(h11.EndOfMessage())

    def _sent(self, event: h11.Event) -> bytes:
        return self._http.send(event) or b""
