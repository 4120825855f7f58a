"""Which files import TensorFlow, found by reading their source, and a guard that refuses to import it.

``pytest --quick`` leaves out the test files that import TensorFlow, directly or through a module of this repository,
and refuses the import to all others. A test that begins to need TensorFlow therefore fails there, until it is marked
``tensorflow``.
"""

import ast
import functools
import importlib.abc
import importlib.machinery
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

FRAMEWORKS = {"keras", "tensorflow", "tensorflow_serving", "tf2onnx"}


class ImportGuard(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds TensorFlow and what is built on it, and refuses to import it. Install it in ``sys.meta_path``, first."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find the frameworks, to be loaded by this guard; leave every other module to the finders that follow."""
        if fullname.partition(".")[0] not in FRAMEWORKS:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec:
            spec.loader = self
        return spec

    def exec_module(self, module: ModuleType) -> None:
        """Refuse."""
        raise ImportError(
            f"{module.__name__} is imported in a quick run: mark the test with @pytest.mark.tensorflow if it must be",
            name=module.__name__,
        )


def needs_tensorflow(file: Path, folders: tuple[Path, ...]) -> bool:
    """Whether importing a file imports TensorFlow; ``folders`` are where modules of the repository are found."""
    seen, waiting = set(), [file]
    while waiting:
        if (file := waiting.pop()) in seen:
            continue
        seen.add(file)
        for name in imported(file):
            if name.partition(".")[0] in FRAMEWORKS:
                return True
            waiting.extend(files_of(name, folders))
    return False


@functools.cache
def imported(file: Path) -> tuple[str, ...]:
    """The modules that are imported when a file is: not those inside functions or for type checkers only."""
    return tuple(_imported(ast.parse(file.read_bytes())))


def _imported(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module and not child.level:
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        yield from _imported(child)


@functools.cache
def files_of(name: str, folders: tuple[Path, ...]) -> tuple[Path, ...]:
    """The files of the repository that importing a dotted name runs: those of its packages, then its own."""
    parts = name.split(".")
    paths = [folder.joinpath(*parts[:length]) for folder in folders for length in range(1, len(parts) + 1)]
    candidates = [
        made for path in paths for made in (path / "__init__.py", path.with_name(path.name + ".py"))
    ]
    return tuple(path for path in candidates if path.is_file())
