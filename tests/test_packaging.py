"""The wheel: what is in it, what it asks for, and that the lists which speak of it agree."""

import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import metadata, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import tempo_invariant
from tempo_invariant import extras
from tests import rows

ROOT = Path(__file__).parents[1]
PACKAGES = ("tempo_invariant", "tfrecords_tools", "serving")
PROJECT_FILES = ("setup.cfg", "setup.py", "pyproject.toml", "README.md", "LICENSE")
BUILD = """
import setuptools.build_meta
setuptools.build_meta.build_sdist("dist")
setuptools.build_meta.build_wheel("dist")
"""


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """A wheel and a source distribution of this checkout."""
    source = tmp_path_factory.mktemp("source")
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, source / package, ignore=ignored)
    for name in PROJECT_FILES:
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-c", BUILD]
    finished = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr[-2000:]
    return source / "dist"


def package_files():
    """Every file of the packages, code and data, by its path in the checkout."""
    paths = [path for package in PACKAGES for path in (ROOT / package).rglob("*")]
    return {
        path.relative_to(ROOT).as_posix()
        for path in paths
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_the_packages_and_nothing_else(dist):
    [path] = dist.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        for name in names:
            assert wheel.read(name) == (ROOT / name).read_bytes(), name
    assert names == package_files()
    assert {f"{package}/py.typed" for package in PACKAGES} < names
    assert "tempo_invariant/flags/bl_at.flags" in names


def test_a_wheel_of_the_source_distribution_is_the_same(dist, tmp_path):
    [path] = dist.glob("*.tar.gz")
    shutil.unpack_archive(path, tmp_path)
    [source] = tmp_path.iterdir()
    held = {file.relative_to(source).as_posix() for file in source.rglob("*") if file.is_file()}
    assert package_files() < held


def test_flag_files_at_the_top_are_those_of_the_package():
    shipped = {path.name for path in (ROOT / "tempo_invariant" / "flags").iterdir()}
    assert {path.name for path in ROOT.glob("*.flags")} == shipped
    for name in shipped:
        assert (ROOT / name).samefile(ROOT / "tempo_invariant" / "flags" / name)


def test_the_version_is_that_of_the_package():
    assert version(rows.NAME) == tempo_invariant.__version__


def test_three_pythons_are_supported_and_the_others_refused():
    supported = SpecifierSet(metadata(rows.NAME)["Requires-Python"])
    tried = ["3.10.20", "3.11.0", "3.11.7", "3.12.13", "3.13.0", "3.13.12", "3.14.0", "3.15.0"]
    assert [python[:4] for python in tried if python in supported] == [
        "3.11", "3.11", "3.12", "3.13", "3.13"
    ]  # fmt: skip


def pins(python, *extras):
    """Requirements by the name of the package."""
    found = map(Requirement, rows.requirements(python, extras))
    return {requirement.name: requirement.specifier for requirement in found}


@pytest.mark.parametrize(
    ("python", "tensorflow", "numpy"),
    [("3.11", "2.16.2", "1.26.4"), ("3.12", "2.16.2", "1.26.4"), ("3.13", "2.21.0", "2.4.6")],
)
def test_each_python_has_its_row(python, tensorflow, numpy):
    """Only the first row has tensorflow-io: it is not built for Python 3.13."""
    wanted = pins(python)
    assert tensorflow in wanted["tensorflow"] and numpy in wanted["numpy"]
    assert ("tensorflow-io" in wanted) == (tensorflow == "2.16.2")
    assert "1.0" not in wanted["tensorboard"] and "lilypond" not in wanted
    assert {"apache-beam", "jax", "lilypond"} < set(pins(python, "all"))


def test_the_table_of_extras_agrees_with_the_wheel():
    declared = set(metadata(rows.NAME).get_all("Provides-Extra"))
    assert {extra for _, extra in extras.MODULES.values()} == declared - {"all", "dev", "test"}
    for module, (_, extra) in extras.MODULES.items():
        for python in ("3.12", "3.13"):
            brought = set(pins(python, extra)) - set(pins(python))
            assert brought & {module.replace("_", "-"), extra}, module
    assert set(pins("3.13", "all")) == set(pins("3.13", *(declared - {"all", "dev", "test"})))
