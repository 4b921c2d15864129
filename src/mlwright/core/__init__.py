"""What every stage needs and no stage owns: errors, progress, time, whole files, evidence.

Nothing here knows data or models. Start at `errors.MlwrightError` and `evidence.Evidence`.
"""

from mlwright.core.clock import Clock, Deadline, peak_memory_mb
from mlwright.core.errors import DiskFull, MlwrightError, closest, quoted
from mlwright.core.evidence import Evidence, EvidenceStore, Interval, bounded, finite
from mlwright.core.files import (
    fingerprint_of_file,
    flush_folder,
    read_json,
    read_table,
    whole_file,
    whole_folder,
    write_json,
    write_table,
    write_text,
)
from mlwright.core.progress import Progress, ProgressEvent, Stage, silent, stage
from mlwright.core.randomness import named_rng, named_seed

__all__ = [
    "Clock",
    "Deadline",
    "DiskFull",
    "Evidence",
    "EvidenceStore",
    "Interval",
    "MlwrightError",
    "Progress",
    "ProgressEvent",
    "Stage",
    "bounded",
    "closest",
    "fingerprint_of_file",
    "finite",
    "flush_folder",
    "named_rng",
    "named_seed",
    "peak_memory_mb",
    "quoted",
    "read_json",
    "read_table",
    "silent",
    "stage",
    "whole_file",
    "whole_folder",
    "write_json",
    "write_table",
    "write_text",
]
