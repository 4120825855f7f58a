"""An HTTP/2 client that writes frames as tests want them, valid or not, and checks every byte that the server sends.

Frames and header blocks are written by hand (``http2.py``), with literals that leave HPACK's dynamic table alone. h2
is told which streams are open. It reads what the server sends, and raises where the server breaks RFC 9113.
"""

import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events
import h2.settings
import http2
from h2.errors import ErrorCodes
from h2.exceptions import StreamClosedError
from patience import PATIENCE

from serving.transport.status_code import Code

Setting = h2.settings.SettingCodes

LIVE = "/inference.GRPCInferenceService/ServerLive"
INFER = "/inference.GRPCInferenceService/ModelInfer"
STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"

EMPTY = http2.message(b"")
"""A message of no bytes, which is a valid request to ``LIVE``."""

LIVE_ANSWER = http2.message(b"\x08\x01")
"""ServerLiveResponse(live=True), with its prefix."""


@dataclass
class Answer:
    """What has come on one stream.

    Attributes:
        headers: The first header block by name; repeated names are joined with commas.
        body: All data.
        trailers: The last header block, which is also the first where nothing else comes (Trailers-Only).
        reset: The code of the server's RST_STREAM.
        ended: Whether the server ended the stream, with a flag or with RST_STREAM.
    """

    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    trailers: dict[str, str] = field(default_factory=dict)
    reset: str | None = None
    ended: bool = False

    @property
    def outcome(self) -> str:
        """The name of the status code, ``HTTP n`` for an HTTP status that is not 200, or ``RST_STREAM code``."""
        if self.headers.get(":status", "200") != "200":
            return f"HTTP {self.headers[':status']}"
        if "grpc-status" in self.trailers:
            return Code(int(self.trailers["grpc-status"])).name
        return f"RST_STREAM {self.reset}" if self.reset else "ended without a status"


class RawPeer:
    """One connection.

    Args:
        address: The server's address.
        settings: What the first SETTINGS frame has.
        tls: Encrypt by this context.
        greet: Whether to send the preface and SETTINGS at once.

    Attributes:
        answers: What has come, by stream.
        goaway: The code of the server's GOAWAY, if one came.
        closed: Whether the server closed the connection.
        grants: Whether data that comes is given back to the server as flow-control credit.
        pongs: How many PINGs were acknowledged.
        frames: All frames that came.
        last_stream: The last stream that the server's GOAWAY names.
    """

    def __init__(self, address, *, settings=None, tls=None, greet=True):
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.socket = _encrypted(self.socket, tls)
        config = h2.config.H2Configuration(
            validate_outbound_headers=False, normalize_outbound_headers=False, header_encoding="latin-1"
        )
        self.h2 = h2.connection.H2Connection(config)
        self.answers: dict[int, Answer] = {}
        self.goaway: str | None = None
        self.last_stream: int | None = None
        self.closed = False
        self.grants = True
        self.pongs = 0
        self.frames: list[http2.Frame] = []
        self._next = 1
        self._incomplete = b""
        self._settings_sent = 0
        self.h2.initiate_connection()
        self.h2.clear_outbound_data_buffer()
        if greet:
            self.write(http2.PREFACE)
            self.settings(settings or {})

    def settings(self, values):
        """Send SETTINGS, which hold for what the server sends from when it acknowledges them."""
        self._settings_sent += 1
        self.h2.update_settings(values)
        self.h2.clear_outbound_data_buffer()
        self.write(settings_frame(values))

    def write(self, *parts):
        """Send frames or bytes as they are. What the server does not take any more is dropped."""
        data = b"".join(part if isinstance(part, bytes) else part.encoded() for part in parts)
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            self.closed = True

    def stream(self):
        """The number of a new stream, which h2 takes for open from now on."""
        number, self._next = self._next, self._next + 2
        self.h2.send_headers(number, http2.call_headers(LIVE))
        self.h2.clear_outbound_data_buffer()
        self.answers[number] = Answer()
        return number

    def open(self, path=LIVE, *more, headers=None, end=False):
        """Send the headers of a call; gives its stream."""
        number = self.stream()
        block = http2.block(headers if headers is not None else http2.call_headers(path, *more))
        flags = http2.END_HEADERS | (http2.END_STREAM if end else 0)
        self.write(http2.Frame(http2.HEADERS, flags, number, block))
        return number

    def send(self, stream, data, *, end=True):
        """Send data, of any length, as the server's windows and frame size allow, until it ends the stream."""
        while (data or end) and not self.answers[stream].ended:
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
            if data and room <= 0:
                assert self.read(), "the server closed the connection instead of granting credit"
                continue
            piece, data = data[:room], data[room:]
            last = end and not data
            try:
                self.h2.send_data(stream, piece, end_stream=last)
            except StreamClosedError:
                return  # the server has answered without it
            self.write(self.h2.data_to_send())
            if last:
                return

    def call(self, path=LIVE, body=EMPTY, *more):
        """Make a call; gives its stream."""
        stream = self.open(path, *more)
        self.send(stream, body)
        return stream

    def read(self):
        """Wait for bytes of the server and take them in; False when there are no more."""
        if self.closed:
            return False
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        self.closed = not data
        if data and self.goaway is None:
            self._take(data)
        return not self.closed

    def answer(self, stream):
        """Wait until a stream has ended."""
        answer = self.answers[stream]
        while not answer.ended and self.goaway is None and self.read():
            pass
        return answer

    def reset_in_answer(self, stream):
        """Reset a stream when some of its answer has come."""
        while not self.answers[stream].body:
            assert self.read()
        self.h2.reset_stream(stream)
        self.write(self.h2.data_to_send())

    def outcome(self, stream):
        """Wait for the end of a stream, or of the connection; see :attr:`Answer.outcome` and :meth:`ending`."""
        answer = self.answer(stream)
        return answer.outcome if answer.ended else self.ending()

    def ending(self):
        """Wait until the server has closed the connection: ``GOAWAY code``, or ``closed`` if it gave no reason."""
        while self.read():
            pass
        return f"GOAWAY {self.goaway}" if self.goaway else "closed"

    def ping(self):
        """Whether the server acknowledges a PING."""
        expected = self.pongs + 1
        self.write(http2.Frame(http2.PING, 0, 0, b"plainsrv"))
        while self.pongs < expected and self.goaway is None and self.read():
            pass
        return self.pongs >= expected

    def settled(self):
        """Whether the server acknowledges SETTINGS, which it may be asked for more often than for PING."""
        ack = http2.Frame(http2.SETTINGS, http2.ACK)
        self.settings({})
        while self.frames.count(ack) < self._settings_sent and self.goaway is None and self.read():
            pass
        return self.frames.count(ack) >= self._settings_sent

    def reaction(self, stream=None):
        """What the server did about what was sent: :meth:`outcome`, or ``nothing``.

        An acknowledgement tells that it has read everything. It may overtake other frames, so a second one follows.
        """
        if self.settled() and self.settled():
            answer = self.answers.get(stream)
            return answer.outcome if answer is not None and answer.ended else "nothing"
        return self.ending()

    def close(self):
        """Close the connection."""
        self.socket.close()

    def _take(self, data):
        """Take in frames one by one, until GOAWAY: h2 allows none behind it."""
        self._incomplete += data
        while self.goaway is None and len(self._incomplete) >= 9:
            size = 9 + int.from_bytes(self._incomplete[:3], "big")
            if len(self._incomplete) < size:
                break
            frame, self._incomplete = self._incomplete[:size], self._incomplete[size:]
            self.frames.append(http2.Frame(frame[3], frame[4], int.from_bytes(frame[5:9], "big"), frame[9:]))
            for event in self.h2.receive_data(frame):
                self._note(event)
        if answers := self.h2.data_to_send():
            self.write(answers)

    def _note(self, event):
        answer = self.answers.get(getattr(event, "stream_id", None) or 0, Answer())
        match event:
            case h2.events.ResponseReceived():
                answer.headers = answer.trailers = joined(event.headers)
            case h2.events.TrailersReceived():
                answer.trailers = joined(event.headers)
            case h2.events.DataReceived():
                answer.body += event.data
                if self.grants and event.flow_controlled_length:
                    self._grant(event)
            case h2.events.StreamEnded():
                answer.ended = True
            case h2.events.StreamReset():
                answer.reset, answer.ended = answer.reset or name(event.error_code), True
            case h2.events.PingAckReceived():
                self.pongs += 1
            case h2.events.ConnectionTerminated():
                self.goaway, self.last_stream = name(event.error_code), event.last_stream_id

    def _grant(self, event):
        with suppress(StreamClosedError):  # it was the last of the stream
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)


def settings_frame(values):
    """A SETTINGS frame; ``values`` is a dict, or pairs where a setting is repeated."""
    pairs = values.items() if isinstance(values, dict) else values
    payload = b"".join(int(key).to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in pairs)
    return http2.Frame(http2.SETTINGS, 0, 0, payload)


def credit(stream, amount):
    """A WINDOW_UPDATE frame."""
    return http2.Frame(http2.WINDOW, 0, stream, amount.to_bytes(4, "big"))


def reset(stream, code=ErrorCodes.CANCEL):
    """A RST_STREAM frame."""
    return http2.Frame(http2.RESET, 0, stream, int(code).to_bytes(4, "big"))


def name(code):
    """The name of an HTTP/2 error code."""
    return ErrorCodes(code).name


def joined(headers):
    """Headers by name."""
    found = {}
    for key, value in headers:
        found[key] = f"{found[key]},{value}" if key in found else value
    return found


def _encrypted(plain, context):
    try:
        encrypted = context.wrap_socket(plain, server_hostname="localhost")
    except (OSError, ssl.SSLError):
        plain.close()
        raise
    assert encrypted.selected_alpn_protocol() == "h2"
    return encrypted
