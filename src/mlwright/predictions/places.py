"""Where a prediction log has what: sealed answers, labels and erasures in its destination, segments on a local disk."""

from __future__ import annotations

from pathlib import Path

from mlwright.core.errors import MlwrightError

#: Folders of a destination.
ANSWERS, LABELS, ERASURES = "answers", "labels", "erasures"
_SEGMENTS = "segments"


class SegmentsNowhere(MlwrightError):
    """Answers go to an object store, and no local folder is named for what is not sealed yet."""

    def __init__(self) -> None:
        super().__init__(
            "the prediction log needs a local folder for what is not sealed yet",
            where="predictions.segments of the spec",
            fix="name one on a disk that outlives the process, e.g. /var/lib/mlwright/segments",
        )


def segments_folder(destination: str | Path, segments: str | Path | None = None) -> Path:
    """Where the segments are: as named, or in the destination if that is a local folder.

    Raises
    ------
    SegmentsNowhere
        If it is not, and none is named.
    """
    if segments is not None:
        return Path(segments).absolute()
    if "://" in str(destination):
        raise SegmentsNowhere
    return Path(destination).absolute() / _SEGMENTS
