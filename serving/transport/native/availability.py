"""Says whether the native front end can be used here, and if not, why."""

import importlib

MODULE = "serving.transport.native._frontend"
"""The compiled module; ``hatch_build.py`` builds it."""

LIBRARY = "libnghttp2"


def availability() -> str | None:
    """None if the native front end can be used; otherwise the reason, with what to do."""
    try:
        importlib.import_module(MODULE)
    except ModuleNotFoundError as error:
        if error.name != MODULE:
            raise
        return (
            "it was not built when plainserve was installed; install a C++ compiler and nghttp2 "
            f"(Debian: apt-get install g++ {LIBRARY}-dev), then install plainserve again"
        )
    except ImportError as error:
        return _reason(str(error))
    return None


def _reason(text: str) -> str:
    """What the loader's error means: ``LIBRARY.so: cannot open ...``, or ``FILE: undefined symbol: NAME``."""
    if "undefined symbol: nghttp2_" in text:
        return f"{LIBRARY} is too old ({text.rpartition(' ')[2]} is missing); update it"
    if text.startswith(LIBRARY):
        return f"{LIBRARY} is missing; install it (Debian: apt-get install {LIBRARY}-14)"
    return f"its module cannot be loaded: {text}"
