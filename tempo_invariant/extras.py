"""Packages that come with an extra of this one only: what brings them, and what is said without."""

import importlib.util

from tempo_invariant.errors import UserError

MODULES = {
    "apache_beam": ("Apache Beam", "beam"),
    "jax": ("JAX", "jax"),
    "jaxlib": ("JAX", "jax"),
    "lilypond": ("LilyPond", "lilypond"),
    "pyroomacoustics": ("pyroomacoustics", "rooms"),
}
"""Modules that are optional, each with the name of the product and the extra that brings it."""


def explain(error: ModuleNotFoundError, user: str) -> str | None:
    """Returns the line that says how to install what an import has missed.

    Args:
        error: The error of the import.
        user: What the module is needed by, which begins the line.

    Returns:
        The line; None if no extra brings the module.
    """
    module = (error.name or "").partition(".")[0]
    if module not in MODULES:
        return None
    product, extra = MODULES[module]
    return f'{user} needs {product}: pip install "tempo-invariant[{extra}]"'


def require(module: str, user: str) -> None:
    """Checks that an optional module is installed.

    Args:
        module: A key of `MODULES`.
        user: What the module is needed by.

    Raises:
        UserError: It is not; the message names the command that installs it.
    """
    if importlib.util.find_spec(module) is None:
        raise UserError(str(explain(ModuleNotFoundError(name=module), user)))
