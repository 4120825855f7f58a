"""What an answer to a mutated message may be."""

import re

from protos import open_inference_pb2 as pb
from serving.services.error_to_status import INTERNAL_TEXT

MOST_TEXT = 2000
"""Characters of a text: more is not for reading, and beyond 8 KiB gRPC's clients drop the status."""

SECONDS, SECONDS_EACH, SECONDS_A_MIB = 0.3, 0.01, 0.3
"""Of processor that messages may take in all, for each of them, and for each MiB; parsing is a tenth of that."""

MEMORY, MEMORY_A_BYTE = 64 << 20, 16
"""Bytes that the process may hold more while it answers messages, in all and for each byte of them."""

LOADS = ("/RepositoryModelLoad", "/RepositoryModelUnload", "/HandleReloadConfigRequest")
"""Methods whose cost is that of the models which they load."""

DESIGNED = {
    "OK", "INVALID_ARGUMENT", "NOT_FOUND", "UNAVAILABLE", "RESOURCE_EXHAUSTED", "UNIMPLEMENTED",
    "PERMISSION_DENIED", "DEADLINE_EXCEEDED",
}  # fmt: skip
CLIENTS_OWN = (
    "Received",
    "Stream removed",
    "Deadline",
    "Socket closed",
    "failed to connect",
    "recvmsg",
    "Connection",
)
"""What the client's library says by itself; the server's texts are its own."""

_PATH = re.compile(r"(?<![\w./])/(tmp|home|root|usr|work|var)/|\.py\b|Traceback|0x[0-9a-f]{8}")


def costly(sizes: list[int], seconds: float, memory: int) -> bool:
    """Whether messages of these sizes together took more than they may."""
    size = sum(sizes)
    allowed = SECONDS + SECONDS_EACH * len(sizes) + SECONDS_A_MIB * size / (1 << 20)
    return seconds > allowed or memory > MEMORY + MEMORY_A_BYTE * size


def finding(code: str, text: str) -> str:
    """What is wrong with a status; empty if nothing is."""
    if code not in DESIGNED:
        return f"{code}: {text[:300]}"
    if code != "OK" and not text:
        return f"{code} without a text"
    if text.startswith(CLIENTS_OWN) and not (code == "RESOURCE_EXHAUSTED" and "larger than max" in text):
        return f"{code}, not from the server: {text[:300]}"
    return text_finding(text)


def text_finding(text: str) -> str:
    """What is wrong with an error's text; empty if nothing is."""
    if len(text) > MOST_TEXT:
        return f"a text of {len(text)} characters: {text[:100]!r}"
    if text == INTERNAL_TEXT:
        return "INTERNAL in a stream"
    if not text.isprintable():
        return f"a text that cannot be printed: {text[:200]!r}"
    # The client's own words come back to it, whatever they are; the server's may reveal nothing.
    if _PATH.search(text) and "/etc/passwd" not in text:
        return f"a text that reveals something: {text[:300]!r}"
    return ""


def stream_finding(sent: int, answers: list[bytes], code: str, text: str, *, readable: bool) -> str:
    """What is wrong with the answers of a stream: each message has one, and then the stream ends well."""
    for each in answers:
        answer = pb.ModelStreamInferResponse.FromString(each)
        wrong = text_finding(answer.error_message)
        if wrong:
            return wrong
    if readable and code != "OK" and "larger than max" not in text:
        return f"a stream of readable messages ends with {code}: {text[:300]}"
    if code == "OK" and len(answers) != sent:
        return f"{len(answers)} answers to {sent} messages"
    return finding(code, text)
