"""The house: which package may import which, and which room which; imports in functions count."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PACKAGES = {
    "tempo_invariant": (),
    "tfrecords_tools": ("tempo_invariant",),
    "serving": ("tempo_invariant",),
}
"""The star: each package with those that it may import besides itself."""

ROOMS = {
    "tempo_invariant": [
        "audio",
        "data",
        "scores",
        "model",
        "retrieval",
        "tracking",
        "evaluation",
        "training",
        "web",
    ],
    "tfrecords_tools": ["music", "running", "msmd", "records", "inspection", "queries"],
    "serving": ["hosting", "querying", "load"],
}
"""The rooms of each package from the ground up: a room imports those before it."""

GROUND_FLOOR = {"arrays", "beam_runner", "cli", "commands", "config", "errors", "extras", "fields"}
GROUND_FLOOR |= {
    "files",
    "flag_files",
    "flag_sets",
    "geometry",
    "json_objects",
    "progress",
    "quiet",
    "samples",
    "shipped",
    "variations",
    "wording",
    "worker_processes",
}
"""Modules at the root of a package that are no commands; they import nothing of ours above them."""


def modules(package: str) -> list[Path]:
    """All modules of a package."""
    return sorted((ROOT / package).rglob("*.py"))


def dotted(path: Path) -> str:
    """Name of a module, `tempo_invariant.audio.bands`."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def is_module(name: str) -> bool:
    """Whether a dotted name is one of our modules or packages."""
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or path.is_dir()


def imported(path: Path) -> Iterator[str]:
    """Yields the modules of ours that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno}: imports are absolute"
            children = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [child if is_module(child) else str(node.module) for child in children]
        else:
            continue
        yield from (name for name in names if name.partition(".")[0] in PACKAGES)


def floor(name: str) -> int:
    """Floor of a module: 0 for the ground floor, 1 and up for rooms, the roof for commands."""
    package, _, rest = name.partition(".")
    room, _, inside = rest.partition(".")
    if room in ROOMS[package]:
        return 1 + ROOMS[package].index(room)
    assert not inside, f"{name} is in no room of {package}"
    return 0 if room in GROUND_FLOOR or not room else 1 + len(ROOMS[package])


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_form_a_star(package):
    allowed = {package, *PACKAGES[package]}
    wrong = [
        f"{dotted(path)} imports {name}"
        for path in modules(package)
        for name in imported(path)
        if name.partition(".")[0] not in allowed
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("package", PACKAGES)
def test_rooms_import_downwards(package):
    wrong = [
        f"{dotted(path)} imports {name}"
        for path in modules(package)
        for name in imported(path)
        if name.partition(".")[0] == package and floor(name) > floor(dotted(path))
    ]
    assert not wrong, "\n".join(wrong)


def test_rooms_do_not_import_commands():
    """A library that imports a command would read flags that its caller has not defined."""
    wrong = [
        f"{dotted(path)} imports {name}"
        for package in PACKAGES
        for path in modules(package)
        for name in imported(path)
        if floor(name) > len(ROOMS[name.partition(".")[0]])
    ]
    assert not wrong, "\n".join(wrong)


def graph() -> dict[str, set[str]]:
    """Modules of ours that each module imports, itself and packages left out."""
    names = {dotted(path): path for package in PACKAGES for path in modules(package)}
    return {
        name: {other for other in imported(path) if other in names and other != name}
        for name, path in names.items()
    }


def test_no_import_goes_in_a_circle():
    arrows = graph()
    while True:
        leaves = {name for name, others in arrows.items() if not others}
        if not leaves:
            break
        arrows = {name: others - leaves for name, others in arrows.items() if name not in leaves}
    assert not arrows, f"a circle goes through some of {sorted(arrows)}"


@pytest.mark.parametrize("package", PACKAGES)
def test_the_root_of_a_package_holds_commands_and_the_ground_floor(package):
    for path in (ROOT / package).glob("*.py"):
        if path.stem == "__init__":  # the Python API: it may import every room
            continue
        is_command = 'if __name__ == "__main__":' in path.read_text()
        assert is_command != (path.stem in GROUND_FLOOR), f"{path} belongs into a room"
