"""Runs the command ``convert`` and records what the process opens, starts and connects to.

    python audited.py RECORD MARKER ARGUMENTS...

RECORD becomes a JSON object: the exit code and the events of ``sys.addaudithook`` that matter. MARKER stands
in every piece of hostile code: an event ``loaded`` says that it reached Python's unmarshaller.
"""

import json
import os
import sys

record, marker, *arguments = sys.argv[1:]
events: list[list[str]] = []
_PLAIN = (
    "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen", "pty.spawn",
    "socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname", "urllib.Request",
    "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown",
    "pickle.find_class", "ctypes.dlopen", "shutil.unpack_archive", "webbrowser.open",
)  # fmt: skip


def hook(event, details):
    if event == "open":
        events.append(["open", _text(details[0]), str(details[1] or details[2])])
    elif event == "marshal.loads" and marker.encode() in bytes(details[0]):
        events.append(["loaded"])
    elif event in _PLAIN:
        events.append([event, *map(_text, details)])


def _text(value):
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


sys.addaudithook(hook)

from converter.cli import main  # noqa: E402  the hook must see everything that is imported

code = main(arguments)
seen = list(events)
with open(record, "w") as stream:  # noqa: PTH123  nothing more than needed stands between the run and its record
    json.dump({"code": code, "events": seen, "pid": os.getpid()}, stream)
sys.stdout.flush()
sys.stderr.flush()
os._exit(0)
