"""Reading a journal's files, whoever removes them meanwhile: server and sink both remove what the sink has read."""

import logging
from pathlib import Path

from ingestion.webhooks.ids import ID_BYTES
from ingestion.webhooks.segments import Frame, Segment, segment_paths

log = logging.getLogger(__name__)


class Reading:
    """Where a reader is: behind the frame that ended with `seq`."""

    def __init__(self, folder: Path, after: int) -> None:
        self._folder = folder
        self._segment: Segment | None = None
        self._offset = 0
        self.seq = after
        self._find()

    def next(self) -> Frame | None:
        """The next frame that holds deliveries, of whichever file; None at the end for now.

        Logs numbers that are missing before it: of a write that failed, or of what was damaged or cut off.
        """
        if self._segment is None:
            self._find()
        while self._segment is not None:
            found = self._segment.next_frame(self._offset)
            if found is None:
                following = self._following(self._segment.number)
                if following is None:
                    return None
                found = self._segment.next_frame(self._offset)  # it may have been finished meanwhile
                if found is None:
                    self._open(following)
                    continue
            self._offset, frame = found
            if frame.deliveries and frame.last_seq > self.seq:
                if 0 < self.seq < frame.first_seq - 1:
                    missing = {"first": self.seq + 1, "last": frame.first_seq - 1}
                    log.error("journal_gap", extra={"file": str(self._segment.path), **missing})
                self.seq = frame.last_seq
                return frame
        return None

    def sync(self) -> None:
        if self._segment is not None:
            self._segment.sync()

    def close(self) -> None:
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    def _find(self) -> None:
        chosen: Path | None = None
        for path in segment_paths(self._folder):
            first = first_seq(path)
            if first is not None and (chosen is None or first <= self.seq + 1):
                chosen = path
        if chosen is not None:
            self._open(chosen)

    def _following(self, number: int) -> Path | None:
        """The next file in which something has been written."""
        for path in segment_paths(self._folder):
            if int(path.stem) > number and first_seq(path) is not None:
                return path
        return None

    def _open(self, path: Path) -> None:
        """The file from its beginning; none when it is gone: then the place is found anew at the next look."""
        self.close()
        self._segment = opened(path)
        self._offset = 0


def opened(path: Path) -> Segment | None:
    """None when it has gone since it was listed: server and sink both remove files that have been read."""
    try:
        return Segment(path)
    except FileNotFoundError:
        return None


def first_seq(path: Path) -> int | None:
    """The number it begins with; None while it is empty, or when it is gone."""
    segment = opened(path)
    if segment is None:
        return None
    try:
        return segment.first_seq()
    finally:
        segment.close()


def ids_in(path: Path) -> list[tuple[int, bytes]]:
    """When each delivery of a file came (microseconds), and its id; none when the file is gone.

    Whole frames alone: what was torn by a crash was never acknowledged, and must be taken when it is sent again.
    """
    segment = opened(path)
    if segment is None:
        return []
    found = [
        (frame.at, frame.payload[start : start + ID_BYTES])
        for _, frame in segment.frames()
        for start in range(0, frame.deliveries * ID_BYTES, ID_BYTES)
    ]
    segment.close()
    return found
