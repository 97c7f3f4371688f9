"""The packages of another Python, to test both TensorFlow rows of `setup.cfg` on one.

python -m tests.rows 3.13 jax,test    # what the installed tempo-invariant requires, one a line

pip itself evaluates markers for the Python that runs it, whatever its `--python-version` says.
"""

import sys
from collections.abc import Iterable
from importlib.metadata import requires

from packaging.requirements import Requirement

NAME = "tempo-invariant"


def requirements(python: str, extras: Iterable[str]) -> list[str]:
    """Returns what pip has to install for a Python, without markers.

    Args:
        python: Its version, "3.13".
        extras: Extras that are wanted; one that names others of this package stands for them.
    """
    found: set[str] = set()
    for extra in ["", *extras]:
        for requirement in map(Requirement, requires(NAME) or []):
            environment = {"python_version": python, "extra": extra}
            if requirement.marker and not requirement.marker.evaluate(environment):
                continue
            if requirement.name == NAME:
                found.update(requirements(python, requirement.extras))
            else:
                requirement.marker = None
                found.add(str(requirement))
    return sorted(found)


if __name__ == "__main__":
    print("\n".join(requirements(sys.argv[1], sys.argv[2].split(","))))
