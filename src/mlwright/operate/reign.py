"""A version that answers again after another one did is watched anew: what was found about it then is not found now."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from mlwright.monitoring.drift import DriftWatch, Guarantee
from mlwright.monitoring.drift_findings import DETECTOR as DRIFT
from mlwright.monitoring.kept import close_findings, detector_of, save_detector, saved_findings, start_of_period
from mlwright.monitoring.reference import reference_of
from mlwright.operate.inputs import DETECTOR as INPUT
from mlwright.operate.inputs import begun_anew as input_anew
from mlwright.operate.losses import DETECTOR as LOSS
from mlwright.operate.losses import begun_anew as loss_anew
from mlwright.operate.project import Project, Watched
from mlwright.registry import AuditEntry


def watch_anew(project: Project, watched: Watched, moves: list[AuditEntry], *, now: datetime) -> bool:
    """Begin the watch of a champion anew where it has come back; whether that was done. Doing it again does nothing.

    Parameters
    ----------
    moves
        What the audit log has of the champions, the oldest first.
    """
    mine = [one for one in moves if one.moved["champion"][1] == watched.version.number]
    if len(mine) < 2:
        return False
    begun = start_of_period(datetime.fromisoformat(mine[-1].at), project.spec.operation.window)
    operation, shape = project.spec.operation, watched.shape
    fresh = DriftWatch.start(
        reference_of(watched.model, shape), Guarantee.of(operation), tolerance=operation.drift_tolerance
    )

    def work(connection: Connection) -> bool:
        done = False
        for name in (DRIFT, LOSS, INPUT):
            held = detector_of(connection, shape, name)
            if held is None or held[0] >= begun:
                continue
            if name == DRIFT:
                state = fresh.state()
            else:
                state = loss_anew(held[1], watched.model, project.spec) if name == LOSS else input_anew(held[1])
            save_detector(connection, shape, name, begun, state)
            done = True
        if done:
            open_ones = saved_findings(connection, shape.model, version=shape.version)
            for finding in open_ones:
                close_findings(connection, shape, kinds=[finding.kind], still=[], now=now, slice_name=finding.slice)
        return done

    return project.store.transaction(work)
