"""Feeds mutated messages and connections to a live server that has every runtime.

    python tests/security/fuzz_wire/run.py --messages 1000000 --seed 1
    python tests/security/fuzz_wire/run.py --seed 1 --only 4711

Each must be answered with a designed status, and take no more processor time and memory than its size allows; the
process lives; valid requests in between are answered right; memory, threads and open files stay bounded; nothing in
the log is a traceback. Whatever else happens is a finding: it is
printed with the number of its case, and the bytes are kept under ``--keep``. A case is decided by the seed and its
number alone; a call that took too long is sent again by itself before it counts.
"""

import argparse
import asyncio
import collections
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

import grpc
import numpy as np
from cases import Case, case, corpus
from judge import LOADS, costly, finding, stream_finding
from target import Target, Use
from valid import INFERENCE, STREAM, Question, questions

from protos import open_inference_pb2 as pb

SECONDS = 5
"""A case may take so long, on a machine that does other things too."""

FLIGHT = 64
"""Cases under way at the same time; between such groups there are valid requests."""

ENOUGH = 50
"""Findings after which more of them tell nothing new."""

MORE_MEMORY, MORE_FILES, MORE_THREADS = 400 << 20, 100, 60
"""What a server may use more than after its first groups."""

MODELS = (
    "affine",
    "queued",
    "spare",
    "kinds",
    "text",
    "bf16",
    "free",
    "scalar",
    "both",
    "affine_lite",
    "same_lite",
)
SHARED = Path("/dev/shm/plainserve_fuzz")  # noqa: S108  where POSIX shared memory is

_RECORD = re.compile(r"^(?=(?:DEBUG|INFO|WARNING|ERROR|CRITICAL): )", re.MULTILINE)

_QUIET = ("DEBUG: ", "INFO: ", "ERROR: Invalid encoding on ")
"""Records that may bring a traceback: for who asked for that much, and of grpcio on a header that is no text."""

_FAULT = re.compile(r"^ERROR: (?!model ).*|^Traceback.*|^\w*Error\b.*", re.MULTILINE)

_ALWAYS = re.compile(r"^.*never retrieved.*|^Exception in thread.*", re.MULTILINE)


class Fuzzer:
    """Sends cases to one server.

    Args:
        target: The server.
        options: What the command line says.
    """

    def __init__(self, target: Target, options: argparse.Namespace) -> None:
        self.target, self.options = target, options
        self.tally: collections.Counter[str] = collections.Counter()
        self.findings = 0
        self._questions = questions()
        self._calls: dict[str, grpc.aio.UnaryUnaryMultiCallable] = {}
        settings = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
        self._channel = grpc.aio.insecure_channel(target.address, options=settings)
        self._first: Use | None = None
        self._unread = ""
        self._cost = ""

    async def run(self) -> None:
        """Send what the command line asks for."""
        if self.options.only is not None:
            await self._group([case(self.options.seed, self.options.only)])
            return
        await self._group(corpus())
        number = self.options.first
        groups = 0
        while (
            self.tally["messages"] < self.options.messages and self.findings < ENOUGH and self.target.alive()
        ):
            await self._group([case(self.options.seed, each) for each in range(number, number + FLIGHT)])
            number += FLIGHT
            groups += 1
            if groups == 20:
                self._first = self.target.use()
            elif groups % 20 == 0:
                self._check_use(number)
            if groups % 500 == 0:
                say(f"{self.tally['messages']:,} messages, {self.findings} findings, {self.target.use()}")
        self.tally["cases"] = number - self.options.first

    async def close(self) -> None:
        await self._channel.close()

    async def _group(self, cases: list[Case]) -> None:
        outcomes, dear = await self._costs(cases)
        slow = [each for each, outcome in zip(cases, outcomes, strict=True) if outcome == "slow"]
        for each, outcome in zip(cases, outcomes, strict=True):
            if outcome and outcome != "slow":
                self._found(each, outcome)
        for each in slow:
            if await self._outcome(each) == "slow":
                self._found(each, f"took more than {SECONDS} s, twice")
        if dear:
            await self._find_dear([each for each in cases if not each.method.endswith(LOADS)])
        if not self.target.alive():
            self._found(
                cases[0],
                f"the process died ({self.target.process.returncode}) in one of {FLIGHT} cases from this one on",
            )
            return
        wrong = await self._wrong_answer()
        if wrong:
            await self._restore()
            wrong = await self._wrong_answer()
        if wrong:
            self._found(cases[0], f"after one of {FLIGHT} cases from this one on: {wrong}")
        for fault in self._faults():
            self._found(cases[0], f"in one of {FLIGHT} cases from this one on, the log says {fault[:200]}")

    async def _costs(self, cases: list[Case]) -> tuple[list[str], bool]:
        """Send cases; what came of each, and whether they took more processor or memory than they may.

        Those that load models come last and are not judged: they cost what the models do.
        """
        loads = [each for each in cases if each.method.endswith(LOADS)]
        others = [each for each in cases if each not in loads]
        processor, memory = self.target.processor(), self.target.new_peak()
        outcomes = dict(zip(others, await self._outcomes(others), strict=True))
        dear = False
        if self.target.alive():
            seconds, more = self.target.processor() - processor, self.target.peak() - memory
            self._cost = f"{seconds:.2f} s of processor and {more:,} bytes"
            dear = costly([each.size for each in others], seconds, more)
        outcomes |= zip(loads, await self._outcomes(loads), strict=True)
        return [outcomes[each] for each in cases], dear

    async def _outcomes(self, cases: list[Case]) -> list[str]:
        return await asyncio.gather(*(self._outcome(each) for each in cases))

    async def _find_dear(self, cases: list[Case]) -> None:
        """Find those that take more than they may alone, and each time."""
        for each in cases:
            if (await self._costs([each]))[1] and (await self._costs([each]))[1]:
                self._found(each, f"{each.size:,} bytes cost {self._cost}")

    def _faults(self) -> list[str]:
        """What the log has told of since the last group; of what is being written, the rest comes with the next."""
        *records, self._unread = _RECORD.split(self._unread + self.target.new_log())
        faults: dict[str, None] = {}
        for record in records:
            faults |= dict.fromkeys(_ALWAYS.findall(record))
            if not record.startswith(_QUIET):
                faults |= dict.fromkeys(_FAULT.findall(record))
        return list(faults)

    def _found(self, found: Case, what: str) -> None:
        self.findings += 1
        self.options.keep.mkdir(parents=True, exist_ok=True)
        for at, payload in enumerate(found.payloads):
            (self.options.keep / f"{self.options.seed}_{found.number}_{at}").write_bytes(payload)
        say(f"case {found.number} {found.method or 'connection'}: {what}")

    async def _outcome(self, sent: Case) -> str:
        self.tally["messages"] += len(sent.payloads)
        if not sent.method:
            return await self._connection(sent.payloads[0])
        if sent.method == STREAM:
            return await self._stream(sent)
        self.tally["unary"] += 1
        if sent.packed:
            self.tally["packed"] += 1
        code, text, _ = await self._unary(sent.method, sent.payloads[0], packed=sent.packed)
        if code == "slow":
            return code
        self.tally[code] += 1
        return finding(code, text)

    async def _unary(self, method: str, data: bytes, *, packed: bool = False) -> tuple[str, str, bytes]:
        call = self._calls.get(method)
        if call is None:
            call = self._calls[method] = self._channel.unary_unary(method)
        begun = time.monotonic()
        try:
            how = grpc.Compression.Gzip if packed else grpc.Compression.NoCompression
            return "OK", "", await call(data, timeout=SECONDS, compression=how)
        except grpc.aio.AioRpcError as error:
            if time.monotonic() - begun >= SECONDS:
                return "slow", "", b""
            return error.code().name, error.details() or "", b""

    async def _stream(self, sent: Case) -> str:
        self.tally["streams"] += 1
        call = self._channel.stream_stream(STREAM)(iter(sent.payloads), timeout=2 * SECONDS)
        begun, answers = time.monotonic(), []
        try:
            async for answer in call:
                answers.append(answer)  # noqa: PERF401  those before an error count too
        except grpc.aio.AioRpcError as error:
            if time.monotonic() - begun >= 2 * SECONDS:
                return "slow"
            code, text = error.code().name, error.details() or ""
        else:
            code, text = "OK", ""
        self.tally["stream answers"] += len(answers)
        return stream_finding(len(sent.payloads), answers, code, text, readable=sent.readable)

    async def _connection(self, data: bytes) -> str:
        """Send the bytes, hang up, and read to the end; the server must come to one."""
        self.tally["connections"] += 1
        host, _, port = self.target.address.rpartition(":")
        try:
            async with asyncio.timeout(SECONDS):
                reader, writer = await asyncio.open_connection(host, int(port))
                try:
                    writer.write(data)
                    writer.write_eof()
                    while await reader.read(1 << 16):
                        pass
                finally:
                    writer.close()
        except TimeoutError:
            return "slow"
        except OSError:
            # The server hung up first, which is an answer to such bytes.
            self.tally["connections reset"] += 1
        return ""

    async def _wrong_answer(self) -> str:
        """Ask one question; what is wrong with the answer."""
        asked = self._questions[self.tally["questions"] % len(self._questions)]
        self.tally["questions"] += 1
        code, text, data = await self._unary(asked.seed.method, asked.seed.message.SerializeToString())
        if code != "OK":
            return f"a valid request to {asked.seed.method} is answered {code} {text[:300]}"
        return _difference(asked, data)

    async def _restore(self) -> None:
        """Undo what mutated control messages may have done: unloaded models, other configs, another log level."""
        self.tally["restored"] += 1
        for name in MODELS:
            request = pb.RepositoryModelLoadRequest(model_name=name)
            await self._unary(INFERENCE + "RepositoryModelLoad", request.SerializeToString())
        await self._unary(INFERENCE + "SystemSharedMemoryUnregister", b"")
        settings = pb.LogSettingsRequest()
        settings.settings["log_info"].bool_param = False
        settings.settings["log_error"].bool_param = True
        await self._unary(INFERENCE + "LogSettings", settings.SerializeToString())

    def _check_use(self, number: int) -> None:
        now, first = self.target.use(), self._first
        assert first is not None
        for what, grown, most in (
            ("memory", now.resident - first.resident, MORE_MEMORY),
            ("files", now.files - first.files, MORE_FILES),
            ("threads", now.threads - first.threads, MORE_THREADS),
        ):
            if grown > most:
                self.findings += 1
                say(f"before case {number}: {what} grew by {grown:,}, from {first} to {now}")
                self._first = now


def _difference(asked: Question, data: bytes) -> str:
    arrays = asked.arrays(data)
    if arrays.keys() != asked.answer.keys():
        return f"a valid request is answered with {sorted(arrays)}"
    for name, expected in asked.answer.items():
        got = arrays[name]
        same = got.shape == expected.shape and (
            np.allclose(got, expected, rtol=1e-5)
            if expected.dtype.kind == "f"
            else bool((got == expected).all())
        )
        if not same:
            return f"{asked.seed.method} answers {name} = {got!r}, expected {expected!r}"
    return ""


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--frontend", choices=("auto", "native", "grpcio"), default="auto")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--only", type=int, help="send this case alone")
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz_wire"), help="where findings go")
    return parser.parse_args()


async def _fuzz(target: Target, options: argparse.Namespace) -> int:
    fuzzer, begun = Fuzzer(target, options), time.monotonic()
    before = target.use()
    try:
        await fuzzer.run()
    finally:
        await fuzzer.close()
    seconds = time.monotonic() - begun
    use = target.use() if target.alive() else "the process is dead"
    say(", ".join(f"{count:,} {what}" for what, count in sorted(fuzzer.tally.items())))
    say(
        f"seed {options.seed}: {fuzzer.findings} findings in {seconds:.0f} s; at first {before}, at last {use}"
    )
    return 1 if fuzzer.findings else 0


def main() -> int:
    """Run the cases; 0 if there was no finding."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="plainserve-fuzz-") as folder:
        SHARED.write_bytes(bytes(128))
        target = Target(Path(folder), options.frontend)
        try:
            code = asyncio.run(_fuzz(target, options))
        finally:
            target.close()
            SHARED.unlink(missing_ok=True)
        if code:
            shutil.copy(target.log, options.keep / f"{options.seed}.log")
        return code


if __name__ == "__main__":
    sys.exit(main())
