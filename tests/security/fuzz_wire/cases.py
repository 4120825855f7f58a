"""What is sent: decided by the seed and a number alone, so that any case can be sent again."""

import functools
import random
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import fields
import floods
import octets
import sessions
import valid
from valid import METHODS, STREAM, Seed


@dataclass(frozen=True)
class Case:
    """One call, or one connection.

    Attributes:
        number: Which one it is.
        method: The method; empty for a connection of raw bytes.
        payloads: The messages, or the bytes of the connection.
        readable: Whether protobuf reads every message: each of a stream is then answered.
        packed: Whether the message is sent as gzip.
    """

    number: int
    method: str
    payloads: tuple[bytes, ...]
    readable: bool
    packed: bool = False

    @property
    def size(self) -> int:
        """Bytes of all messages, unpacked."""
        return sum(map(len, self.payloads))


CORPUS = Path(__file__).parents[1] / "wire_corpus"
"""Messages that something once went wrong with, or could: a file each, in a folder for its method."""


def corpus() -> list[Case]:
    """The messages that are kept, with numbers below 0. Those in ``connection`` are bytes of whole connections."""
    files = sorted(each for each in CORPUS.rglob("*") if each.is_file())
    made = []
    for number, file in enumerate(files, start=-len(files)):
        method = METHODS.get(file.parent.name, "")
        made.append(Case(number, method, (file.read_bytes(),), readable=False))
    return made


@functools.cache
def _seeds() -> tuple[list[Seed], list[float]]:
    made = valid.seeds()
    return made, list(accumulate(seed.weight for seed in made))


@functools.cache
def _floods() -> list[floods.Flood]:
    return [each for each in floods.every() if not each.streams and not each.method.endswith("/Watch")]


@functools.cache
def _inference() -> list[Seed]:
    return [seed for seed in valid.seeds() if seed.method.endswith("/ModelInfer")]


def case(seed: int, number: int) -> Case:
    """The case of that number."""
    chance = random.Random(f"{seed} {number}")  # noqa: S311  a case must be the same every time
    kind = chance.random()
    if kind < 0.02:
        calls = [_chosen(chance) for _ in range(chance.choice((1, 1, 2, 3)))]
        return Case(number, "", (sessions.session(calls, chance),), readable=False)
    if kind < 0.12:
        return _stream(number, chance)
    if kind < 0.15:
        return _flood(number, chance)
    origin = _chosen(chance)
    if kind < 0.7:
        data = _fields(origin, chance)
        return Case(number, origin.method, (data,), readable=True)
    if kind < 0.73:
        # A message of another method: protobuf may well read it as its own.
        return Case(number, origin.method, (_fields(_chosen(chance), chance),), readable=False)
    return Case(number, origin.method, (octets.mutated(_fields(origin, chance), chance),), readable=False)


def _chosen(chance: random.Random) -> Seed:
    seeds, weights = _seeds()
    return chance.choices(seeds, cum_weights=weights)[0]


def _fields(origin: Seed, chance: random.Random) -> bytes:
    if chance.random() < 0.05:
        return origin.message.SerializeToString(deterministic=True)
    return fields.mutated(origin.message, chance).SerializeToString(deterministic=True)


def _stream(number: int, chance: random.Random) -> Case:
    """Several requests in one stream; in some of them the last is no protobuf."""
    made = [_fields(chance.choice(_inference()), chance) for _ in range(chance.choice((1, 4, 16, 32)))]
    broken = chance.random() < 0.2
    if broken:
        made[-1] = octets.mutated(made[-1], chance)
    return Case(number, STREAM, tuple(made), readable=not broken)


def _flood(number: int, chance: random.Random) -> Case:
    """A message of nothing but elements, up to the limit of those that are bounded and far beyond it."""
    chosen, size = chance.choice(_floods()), chance.choice((1 << 12, 1 << 16, 1 << 20, 1 << 21))
    data = chosen.data(size, chance.choice(("affine", "text", "nobody")))
    return Case(number, chosen.method, (data,), readable=False, packed=chance.random() < 0.5)
