"""What an error tells people to type."""


def say_activation(where: str) -> str:
    """The hint that shows what to type."""
    layer = where.removeprefix("layer ").strip("'")
    return (
        f"If you know the formula, state it: --activation {layer}=pss:alpha=2 (or ss, rational_ss:a=1,b=1)."
    )
