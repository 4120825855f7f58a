"""Floods a server for a second or so, and measures what that costs it and another client."""

import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import grpc
import numpy as np
import psutil
from patience import PATIENCE, until
from raw_peer import INFER

from protos import open_inference_pb2 as pb

MIB = 1 << 20


@dataclass
class Cost:
    """What an attack cost.

    Attributes:
        processor: Seconds of the server's processor.
        memory: Bytes by which the server grew, at its largest.
        waited: The slowest call of the other client, in seconds.
    """

    processor: float = 0.0
    memory: int = 0
    waited: float = 0.0


class Neighbour(threading.Thread):
    """Another client, which asks a small model again and again, on a connection of its own."""

    def __init__(self, address, credentials=None):
        super().__init__(daemon=True)
        self.slowest, self.asked, self.failed, self.stopped = 0.0, 0, [], False
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.ssl_target_name_override", "localhost")]
        self._channel = (
            grpc.secure_channel(address, credentials, options)
            if credentials
            else grpc.insecure_channel(address, options)
        )
        self.start()

    def run(self):
        request = pb.ModelInferRequest(model_name="affine", raw_input_contents=[np.ones(3, "f").tobytes()])
        request.inputs.add(name="x", datatype="FP32", shape=[1, 3])
        ask, data = self._channel.unary_unary(INFER), request.SerializeToString()
        while not self.stopped:
            begun = time.monotonic()
            try:
                ask(data, timeout=PATIENCE)
            except grpc.RpcError as error:
                self.failed.append(f"{error.code().name}: {error.details()}")
            self.slowest = max(self.slowest, time.monotonic() - begun)
            self.asked += 1
            time.sleep(0.005)

    def answered(self):
        """Wait until a call has been made from its beginning to its end."""
        before = self.asked
        until(lambda: self.asked > before + 1)

    def close(self):
        """Stop asking."""
        self.stopped = True
        self.join(PATIENCE)
        self._channel.close()


class Victim:
    """A server that is attacked.

    Args:
        server: It.
        credentials: What the other client connects with; None without TLS.
    """

    def __init__(self, server, credentials=None):
        self.server, self.address = server, server.address
        self.neighbour = Neighbour(server.address, credentials)
        self._process = psutil.Process(server.process.pid)
        self.neighbour.answered()

    @contextmanager
    def measured(self):
        """Measure what is done to the server meanwhile."""
        cost, done = Cost(), threading.Event()
        before = self._process.memory_info().rss
        watch = threading.Thread(target=self._watch, args=(cost, before, done), daemon=True)
        self.neighbour.answered()
        self.neighbour.slowest, used = 0.0, self._processor()
        watch.start()
        try:
            yield cost
            self.neighbour.answered()
        finally:
            done.set()
            watch.join()
        cost.processor = self._processor() - used
        cost.waited = self.neighbour.slowest
        assert self.server.process.poll() is None, "the server has ended"
        assert not self.neighbour.failed

    def bounded(self, attack, *, processor=0.5, memory=48 * MIB, waited=0.5):
        """Attack, and check that it costs no more than so much.

        A machine that does something else may disturb one of three attacks; what costs too much does so each time.

        Args:
            attack: Does it, on connections of its own.
            processor: Seconds of the server's processor.
            memory: Bytes.
            waited: Seconds for the other client's slowest call.
        """
        for last in (False, False, True):
            with self.measured() as cost:
                attack()
            if cost.processor <= processor and cost.memory <= memory and cost.waited <= waited:
                return
            assert not last, f"it cost {cost}"

    def close(self):
        """Stop the other client."""
        self.neighbour.close()

    def _processor(self):
        return sum(self._process.cpu_times()[:2])

    def _watch(self, cost, before, done):
        while not done.wait(0.02):
            cost.memory = max(cost.memory, self._process.memory_info().rss - before)


def flood(peer, data, *, reads=False, seconds=1.0):
    """Send bytes as fast as the server takes them, all of them unless that takes too long.

    Args:
        peer: The connection.
        data: What is sent.
        reads: Whether what the server sends is read and thrown away.
        seconds: The longest time.

    Returns:
        ``ended`` if the server closed the connection meanwhile, ``held back`` if it did not take all, or ``taken``.
    """
    end, left = time.monotonic() + seconds, memoryview(data)
    peer.socket.settimeout(0.05)
    try:
        while left and time.monotonic() < end:
            with suppress(TimeoutError):
                left = left[peer.socket.send(left[: 1 << 17]) :]
            if reads and received(peer) == b"":
                return "ended"
    except OSError:  # of the kinds that mean that the connection is no more
        return "ended"
    return "held back" if left else "taken"


def received(peer):
    """What has come; None for nothing, no bytes for the end."""
    try:
        peer.socket.settimeout(0)
        return peer.socket.recv(1 << 20)
    except BlockingIOError:
        return None
    finally:
        peer.socket.settimeout(0.05)


def closed(peer, seconds=5.0):
    """Whether the server closes the connection within a time; what it has sent is thrown away."""
    end = time.monotonic() + seconds
    peer.socket.settimeout(0.1)
    while time.monotonic() < end:
        try:
            if not peer.socket.recv(1 << 20):
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False
