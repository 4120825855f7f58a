# ruff: noqa: INP001  a script, in no package
"""Writes docs/errors.md: every error that the converter reports, read from the code that raises it.

    python docs/errors.py            write the page
    python docs/errors.py --check    fail if the page is not what the code says

Nothing is imported but the error classes: the sources are parsed. A part of a message that is known only at
run time is shown as ``<its expression>``.
"""

import argparse
import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "errors.md"
sys.path.insert(0, str(ROOT))

from converter import errors  # noqa: E402  the script runs from anywhere

CLASSES = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type)
    and issubclass(kind, errors.ConversionError)
    and kind is not errors.ConversionError
}
_HEAD = """\
# Errors

This page lists every error message of `convert`, by exit code. Search it for a message that you received. A message
names the place and what is wrong there; if you can do something about it, a second line says what. `<...>` stands
for a part that is known only at run time. Above each message is the source file that reports it.

This page is generated from the source: `python docs/errors.py`.
"""


@dataclass(frozen=True, order=True)
class Entry:
    """One place that makes an error."""

    code: int
    kind: str
    module: str
    what: str
    where: str
    hint: str


def entries() -> list[Entry]:
    """Every error that is made anywhere in the converter, in a stable order."""
    return sorted({entry for path in (ROOT / "converter").rglob("*.py") for entry in _in_file(path)})


def _in_file(path: Path) -> Iterator[Entry]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    known = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and isinstance(node.value, ast.Constant | ast.IfExp)
    }
    module = path.relative_to(ROOT).as_posix()
    helpers = {
        id(made): function
        for function in _functions(tree)
        for made in _made(function)
        if _passes(function, made)
    }
    for made in _made(tree):
        function = helpers.get(id(made))
        if function is None:
            yield _entry(made, module, known)
            continue
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and _called(call) == function.name:
                yield _entry(made, module, {**known, **_given(function, call)})


def _functions(tree: ast.AST) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def _made(tree: ast.AST) -> list[ast.Call]:
    """The calls that make an error."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _called(node) in CLASSES]


def _called(call: ast.Call) -> str:
    return getattr(call.func, "id", getattr(call.func, "attr", ""))


def _parameters(function: ast.FunctionDef) -> list[str]:
    return [argument.arg for argument in function.args.args if argument.arg != "self"]


def _passes(function: ast.FunctionDef, made: ast.Call) -> bool:
    """Whether a function makes an error out of words that its caller gives."""
    what = made.args[0] if made.args else None
    return isinstance(what, ast.Name) and what.id in _parameters(function)


def _given(function: ast.FunctionDef, call: ast.Call) -> dict[str, ast.expr]:
    """What a caller gives for each parameter; a default where it gives nothing."""
    names = _parameters(function)
    defaults = function.args.defaults
    given = dict(zip(names[len(names) - len(defaults) :], defaults, strict=True))
    given |= dict(zip(names, call.args, strict=False))
    return given | {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}


def _entry(made: ast.Call, module: str, known: dict[str, ast.expr]) -> Entry:
    named = {keyword.arg: keyword.value for keyword in made.keywords}
    name = _called(made)
    return Entry(
        CLASSES[name].exit_code,
        name,
        module,
        _text(made.args[0], known) if made.args else "",
        _text(named.get("where"), known),
        _text(named.get("hint"), known),
    )


def _text(node: ast.expr | None, known: dict[str, ast.expr]) -> str:
    """What an expression says, with run-time parts as ``<name>``."""
    node = node.value if isinstance(node, ast.FormattedValue) else node
    if node is None:
        return ""
    if isinstance(node, ast.Name) and node.id in known:
        rest = {name: value for name, value in known.items() if name != node.id}
        return _text(known[node.id], rest)
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(value, known) for value in node.values)
    if isinstance(node, ast.IfExp):
        return f"{_text(node.body, known)} | {_text(node.orelse, known)}"
    return f"<{ast.unparse(node)}>"


def page() -> str:
    """The whole page."""
    found = entries()
    parts = [_HEAD]
    for name, kind in sorted(CLASSES.items(), key=lambda item: item[1].exit_code):
        parts.append(f"\n## Exit code {kind.exit_code}: {name}\n\n{(kind.__doc__ or '').splitlines()[0]}\n")
        parts += [_shown(entry) for entry in found if entry.kind == name]
    return "".join(parts)


def _shown(entry: Entry) -> str:
    first = f"{entry.where}: {entry.what}" if entry.where else entry.what
    lines = "\n".join(filter(None, (first, entry.hint)))
    return f"\n`{entry.module}`\n\n```text\n{lines}\n```\n"


def main() -> int:
    """Write or check the page."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--check", action="store_true", help="fail if the page is not current")
    if not made.parse_args().check:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if PAGE.read_text(encoding="utf-8") == page():
        return 0
    sys.stderr.write("docs/errors.md is not what the code says; run: python docs/errors.py\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
