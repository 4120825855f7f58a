"""Runs the command ``convert`` and records what the process opens, starts and connects to.

    python audited.py RECORD MARKER ARGUMENTS...

RECORD becomes a JSON object: the exit code and the events of ``sys.addaudithook`` that matter, those of forked
processes too: each event goes at once to the end of one file that all have open. MARKER stands in every piece of
hostile code: an event ``loaded`` says that it reached Python's unmarshaller.
"""

import json
import os
import sys

record, marker, *arguments = sys.argv[1:]
log = os.open(f"{record}.events", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
_PLAIN = (
    "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen", "pty.spawn",
    "socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname", "urllib.Request",
    "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown",
    "pickle.find_class", "ctypes.dlopen", "shutil.unpack_archive", "webbrowser.open",
)  # fmt: skip


def hook(event, details):
    if event == "open":
        _note("open", _text(details[0]), str(details[1] or details[2]))
    elif event == "marshal.loads" and marker.encode() in bytes(details[0]):
        _note("loaded")
    elif event in _PLAIN:
        _note(event, *map(_text, details))


def _note(*words):
    os.write(log, f"{json.dumps(words)}\n".encode())


def _text(value):
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


sys.addaudithook(hook)

from converter.command.cli import main  # noqa: E402  the hook must see everything that is imported

code = main(arguments)
seen = [json.loads(line) for line in os.pread(log, os.fstat(log).st_size, 0).splitlines()]
with open(record, "w") as stream:  # noqa: PTH123  nothing more than needed stands between the run and its record
    json.dump({"code": code, "events": seen, "pid": os.getpid()}, stream)
sys.stdout.flush()
sys.stderr.flush()
os._exit(0)
