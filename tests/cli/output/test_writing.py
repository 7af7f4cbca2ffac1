"""Files are written whole or not at all."""

import os
import stat

import pytest

from skscratch.cli.output.writing import discard_unfinished_files, replacing


@pytest.mark.parametrize("old", [None, "old"])
def test_a_file_is_complete_when_it_appears(tmp_path, old):
    path = tmp_path / "file.csv.gz"
    if old:
        path.write_text(old)
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert temporary.parent == tmp_path
        assert temporary.name.endswith(path.name)
        assert (path.read_text() if path.exists() else None) == old
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("old", [None, "old"])
def test_after_an_error_all_is_as_it_was(tmp_path, old, error):
    path = tmp_path / "file.csv"
    if old:
        path.write_text(old)

    def fail():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    left = [path] if old else []
    assert list(tmp_path.iterdir()) == left
    assert [found.read_text() for found in left] == ["old"] * len(left)


def test_a_program_that_stops_discards_its_files(tmp_path):
    def write():
        with replacing(tmp_path / "file.csv") as path:
            path.write_text("half")
            discard_unfinished_files()
            assert list(tmp_path.iterdir()) == []

    with pytest.raises(FileNotFoundError):
        write()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(OSError, match="No such file"), replacing(tmp_path / "no" / "x"):
        pass


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_permissions_are_those_of_the_umask_or_the_older_file(tmp_path):
    umask = os.umask(0o027)
    try:
        modes = []
        for mode in (None, 0o600):
            path = tmp_path / "file.csv"
            if mode:
                path.chmod(mode)
            with replacing(path) as temporary:
                temporary.write_text("new")
            modes.append(stat.S_IMODE(path.stat().st_mode))
    finally:
        os.umask(umask)
    assert modes == [0o640, 0o600]


@pytest.mark.skipif(os.name != "posix", reason="links of POSIX")
def test_links_stay_and_devices_are_written_to(tmp_path):
    target, link = tmp_path / "target.csv", tmp_path / "link.csv"
    target.write_text("old")
    link.symlink_to(target)
    with replacing(link) as temporary:
        temporary.write_text("new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    with replacing(os.devnull) as path:
        assert str(path) == os.devnull
