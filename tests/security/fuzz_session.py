"""Feeds mutated HTTP/2 connections to the session of the native front end, under sanitizers.

    python tests/security/fuzz_session.py --seconds 3600

Builds ``serving/transport/native/src/fuzz/fuzz_session.cc`` with clang's libFuzzer, AddressSanitizer and
UndefinedBehaviorSanitizer, and runs it on the connections below, on those in ``session_corpus``, if there is one, and
on mutations of them. Inputs that reach new code are kept in ``build/fuzz-native/corpus`` for the next run. A run ends
at the first finding, and prints the command that repeats it.
"""

import argparse
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(Path(__file__).parent / "fuzz_wire"))

from http2 import (  # noqa: E402  a module beside the script
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    RESET,
    SETTINGS,
    WINDOW,
    Frame,
    block,
    call,
    call_headers,
    message,
)

SOURCES = ROOT / "serving" / "transport" / "native" / "src"
FOLDER = ROOT / "build" / "fuzz-native"
CORPUS = Path(__file__).parent / "session_corpus"
"""Inputs that once broke the session."""

PYTHON = ("batch", "call", "front_end", "module", "python", "python_tls", "connection", "loop")
"""The sources above the session: sockets and Python."""

FLAGS = "-std=c++17 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined".split()

LONGEST = 1 << 16
"""Bytes of an input. Larger ones find nothing that these do not, and take longer."""

ADMITS_ALL, REFUSES = 1, 2
"""Modes of the program, the first byte of an input."""

HELLO = message(b"hello")


def connections() -> dict[str, tuple[int, list[Frame]]]:
    """A connection of each kind: its mode, and its frames after the preface."""
    unary = call(1, "/a/Unary", HELLO)
    packed = call(
        1, "/a/Unary", message(b"hello", compressed=1), ("grpc-timeout", "1S"), ("grpc-encoding", "gzip")
    )
    stream = [
        Frame(HEADERS, END_HEADERS, 1, block(call_headers("/a/Stream"))),
        Frame(DATA, 0, 1, HELLO),
        Frame(DATA, END_STREAM, 1, HELLO),
    ]
    closed_window = Frame(SETTINGS, 0, 0, bytes([0, 4, 0, 0, 0, 0]))
    return {
        "unary": (ADMITS_ALL, unary),
        "two_calls": (ADMITS_ALL, [*unary, *call(3, "/a/Unary", HELLO + HELLO)]),
        "stream": (ADMITS_ALL, stream),
        "unknown": (ADMITS_ALL, call(1, "/b/c", HELLO)),
        "not_implemented": (ADMITS_ALL, call(1, "/a/Known", HELLO)),
        "reset": (ADMITS_ALL, [unary[0], Frame(RESET, 0, 1, (8).to_bytes(4, "big"))]),
        "window": (ADMITS_ALL, [closed_window, *unary, Frame(WINDOW, 0, 1, (100).to_bytes(4, "big"))]),
        "refused": (REFUSES, unary),
        "admitted": (0, unary),
        "packed": (ADMITS_ALL, packed),
        "ping": (ADMITS_ALL, [Frame(PING, 0, 0, bytes(8)), Frame(GOAWAY, 0, 0, bytes(8))]),
    }  # fmt: skip


def script(mode: int, frames: list[Frame]) -> bytes:
    """An input of the program: the mode, then pieces, each with its size; an odd one is followed by an action."""
    made = bytearray([mode])
    for frame in [Frame(SETTINGS), *frames]:
        data = frame.encoded()
        while data:
            piece, data = data[:249], data[249:]
            made += bytes([len(piece)]) + piece + bytes(len(piece) % 2)
    return bytes(made)


def build(program: Path) -> None:
    """Compile the program; exits where that is not possible."""
    if not shutil.which("clang++"):
        sys.exit("make fuzz-native needs clang and its libFuzzer: apt-get install clang libnghttp2-dev")
    sources = [each for each in SOURCES.glob("*.cc") if each.stem not in PYTHON]
    command = ["clang++", *FLAGS, str(SOURCES / "fuzz" / "fuzz_session.cc"), *map(str, sorted(sources))]
    done = subprocess.run(
        [*command, "-lnghttp2", "-o", str(program)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        missing = "libclang_rt" in done.stderr or "nghttp2" in done.stderr
        advice = "\nIt needs libFuzzer and nghttp2: apt-get install clang libnghttp2-dev" if missing else ""
        sys.exit(f"the program cannot be built:\n{done.stderr.strip()}{advice}")


def main() -> int:
    """Build the program and run it; 0 if there was no finding."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    corpus, seeds, findings = (FOLDER / each for each in ("corpus", "seeds", "findings"))
    for each in (corpus, seeds, findings):
        each.mkdir(parents=True, exist_ok=True)
    program = FOLDER / "fuzz_session"
    build(program)
    for name, (mode, frames) in connections().items():
        (seeds / name).write_bytes(script(mode, frames))
    inputs = [str(each) for each in (corpus, seeds, CORPUS) if each.is_dir()]
    limits = [
        f"-max_total_time={options.seconds}",
        f"-max_len={LONGEST}",
        f"-seed={options.seed}",
        "-timeout=10",
    ]
    known = {*findings.iterdir()}
    log = FOLDER / "log"
    with log.open("w") as output:
        command = [str(program), *limits, f"-artifact_prefix={findings}/", *inputs]
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False)
    if not done.returncode:
        sys.stdout.write(log.read_text().splitlines()[-1] + ", no findings\n")
        return 0
    sys.stdout.write(log.read_text()[-8000:])
    for each in sorted({*findings.iterdir()} - known):
        sys.stdout.write(f"\nA finding. To repeat it: {shlex.join([str(program), str(each)])}\n")
        sys.stdout.write(f"When it is fixed, keep it: cp {shlex.quote(str(each))} {CORPUS}/\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
