"""Writes a metric family in the text format of Prometheus (version 0.0.4).

# HELP nv_inference_count Number of inferences performed
# TYPE nv_inference_count counter
nv_inference_count{model="digits",version="1"} 42
"""

from collections.abc import Iterable, Mapping


def family(name: str, kind: str, about: str, samples: Iterable[tuple[Mapping[str, str], float]]) -> str:
    """The lines of one metric family.

    Args:
        name: Its name.
        kind: ``counter`` or ``gauge``.
        about: Its help text.
        samples: Its values, each with its labels.
    """
    lines = [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]
    for labels, value in samples:
        written = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        lines.append(f"{name}{{{written}}} {value}" if written else f"{name} {value}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
