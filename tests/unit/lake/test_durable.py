"""Files of the lake are whole and on disk, or not there."""

import resource
from pathlib import Path

import pytest

from ingestion.lake.durable import DurableFileIO


def test_what_was_written_can_be_read_back(tmp_path: Path) -> None:
    location = f"file://{tmp_path}/new/folder/file.bin"

    with DurableFileIO().new_output(location).create() as stream:
        stream.write(b"first ")
        stream.write(b"second")

    with DurableFileIO().new_input(location).open() as stream:
        assert stream.read() == b"first second"


def test_an_existing_file_is_kept_unless_told_otherwise(tmp_path: Path) -> None:
    output = DurableFileIO().new_output(f"file://{tmp_path}/file.bin")
    with output.create() as stream:
        stream.write(b"old")

    with pytest.raises(FileExistsError):
        output.create()

    assert (tmp_path / "file.bin").read_bytes() == b"old"


def test_a_file_that_could_not_be_written_to_its_end_is_removed(tmp_path: Path) -> None:
    output = DurableFileIO().new_output(f"file://{tmp_path}/file.bin")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        stream = output.create()
        with pytest.raises(OSError, match="too large"):
            stream.write(b"x" * 2000)
        stream.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert list(tmp_path.iterdir()) == []
