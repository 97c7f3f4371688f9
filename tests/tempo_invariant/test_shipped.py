"""Shipped files are found by their names, where there are none of the user's."""

from pathlib import Path

import pytest

from tempo_invariant import shipped


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_bare_name_means_the_shipped_file_unless_there_is_one_here():
    found = Path(shipped.find("bl_at.flags"))
    assert "--attention" in found.read_text().splitlines()
    assert "train:" in Path(shipped.find("msmd_all_split.yaml")).read_text()
    Path("bl_at.flags").write_text("--noattention")
    assert shipped.find("bl_at.flags") == "bl_at.flags"


@pytest.mark.parametrize("path", ["", ".", "none.flags", "runs/bl.flags", "./bl.flags"])
def test_other_paths_are_left_alone(path):
    assert shipped.find(path) == path


def test_no_name_is_shipped_twice():
    names = [path.name for folder in shipped.FOLDERS for path in folder.iterdir()]
    assert len(names) == len(set(names)) > 5
