"""Streams in time order: every chunk is answered first and learnt from later. What does the loop cost, and what does it keep?

    python -m benchmarks.monitoring.prequential --data ../shared/data [--lagged] [--more] [--streams elec2 ...] [--warm 2000]

Chunks of 500 rows; the labels of a chunk are known when the next one is answered. The refitter is a light LightGBM, the same
for every policy; what differs is when it is asked, and for which rows. `our loop` takes its decisions as `mlwright operate`
does with `retrain: {on: [loss, staleness], approve: automatic, prove: retraining}` and `act` automatic, a chunk being a window:
`decide` over a `Situation`, `LossWatch` and `calibrated_again` on the labels, `Comparison` for proofs, rollbacks and the trust
in retraining, and the windows of `choose_window`. A refit stands where the product searches; packages, the registry and the
log are left out. `refits` counts fits after the first one, `light` the fits that choose the window of a refit, which the
product does with a light model too, and `rows` the rows of both. Classes are scored by accuracy, numbers by R², both times 100.

`--lagged` gives elec2 features from the rows before: their labels, known one row late as they are on that market, and by how
much each column has changed. `--more` adds tables in the order of their time and streams that are made: no change, a sudden
one, a gradual one, one that comes back, and a base rate that swings. Constants were chosen on the three streams of the goal;
the others were looked at meanwhile. `--warm` begins later: refits then fall on other chunks, and figures that are luck do not
last.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from benchmarks.figures import Figure
from benchmarks.monitoring.refit_loop import followed
from benchmarks.monitoring.refit_policies import POLICIES, Refitter, spread_out
from benchmarks.monitoring.streams import MADE, STREAMS, TABLES, WARM, Floats, Stream, load, load_table, made

LOOP, SPREAD = "our loop", "spread out, as many as our loop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """What a policy reached on a stream, and what it cost.

    Attributes
    ----------
    score
        Accuracy or R², times 100.
    refits, light, rows
        Fits after the first one, light ones that choose a window, and the rows of all of them.
    told
        Of the loop: how often it did what.
    """

    stream: str
    policy: str
    score: float
    refits: int
    light: int
    rows: int
    told: str = ""

    def line(self) -> str:
        light = f" + {self.light} light" if self.light else ""
        return f"  {self.policy:34} {self.score:6.2f}  {self.refits:3d} refits{light:12} {self.rows:10,d} rows  {self.told}"


def reached(stream: Stream, policies: Sequence[str] = (*POLICIES,)) -> Iterator[Reached]:
    """What these policies reach on a stream, then our loop, and as many refits as it has at even distances."""
    for title in policies:
        refitter = Refitter(stream=stream)
        yield _reached(stream, title, POLICIES[title](stream, refitter), refitter)
    refitter = Refitter(stream=stream)
    answers, told = followed(stream, refitter)
    ours = _reached(stream, LOOP, answers, refitter)
    yield replace(ours, told=", ".join(f"{count} {what}" for what, count in sorted(told.items())))
    refitter = Refitter(stream=stream)
    yield _reached(stream, SPREAD, spread_out(ours.refits)(stream, refitter), refitter)


def _reached(stream: Stream, policy: str, answers: Floats, refitter: Refitter) -> Reached:
    return Reached(
        stream=stream.name,
        policy=policy,
        score=score(stream, answers),
        refits=refitter.refits,
        light=refitter.light,
        rows=refitter.rows,
    )


def score(stream: Stream, answers: Floats) -> float:
    """Accuracy or R², times 100."""
    truth = stream.y[stream.warm :]
    if stream.classes:
        return float(100 * ((answers > 0.5) == truth).mean())
    return float(100 * (1 - np.square(answers - truth).mean() / truth.var()))


def figures(data: Path, *, warm: int = WARM) -> Iterator[Figure]:
    """The goals on the three streams, and on elec2 with earlier labels."""
    streams = [load(data, name, warm=warm) for name in STREAMS] + [load(data, STREAMS[0], lagged=True, warm=warm)]
    for stream in streams:
        found = {one.policy: one for one in reached(stream, ("static", "every chunk"))}
        yield from goals(found)


def goals(found: dict[str, Reached]) -> Iterator[Figure]:
    """What was asked of the loop on one stream, beside what it reached."""
    ours, always, frozen, even = found[LOOP], found["every chunk"], found["static"], found[SPREAD]
    unit = "R² x 100" if ours.stream == "air_quality" else "% right"
    numbers = {
        "loop": ours.score,
        "every_chunk": always.score,
        "frozen": frozen.score,
        "spread_out": even.score,
        "refits": ours.refits,
        "light_fits": ours.light,
        "refits_of_every_chunk": always.refits,
    }
    lost = always.score - ours.score
    beside = (
        f"frozen {frozen.score:.2f}, as many refits at even distances {even.score:.2f}, every chunk {always.score:.2f}"
    )
    yield Figure(
        goal=f"{ours.stream}: what the loop loses against a refit at every chunk, labels a chunk late",
        target="<= 0.5 point",
        reached=f"{lost:+.2f} points ({ours.score:.2f} {unit})",
        good=lost <= 0.5,
        beside=beside,
        numbers=numbers,
    )
    share = ours.refits / max(always.refits, 1)
    yield Figure(
        goal=f"{ours.stream}: refits, as a share of those at every chunk",
        target="<= 20 %",
        reached=f"{100 * share:.1f} % ({ours.refits} of {always.refits}; {ours.light} light fits choose windows)",
        good=share <= 0.2,
    )
    yield Figure(
        goal=f"{ours.stream}: above the frozen model",
        target="1 point or more",
        reached=f"{ours.score - frozen.score:+.2f} points (every chunk {always.score - frozen.score:+.2f})",
        good=ours.score - frozen.score >= 1.0,
    )
    if "earlier labels" in ours.stream:
        yield Figure(
            goal=f"{ours.stream}: accuracy",
            target=">= 0.90",
            reached=f"{ours.score / 100:.4f}",
            good=ours.score >= 90.0,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the real streams")
    parser.add_argument("--streams", nargs="*", default=list(STREAMS))
    parser.add_argument("--lagged", action="store_true", help="elec2 once more, with features from the rows before")
    parser.add_argument("--more", action="store_true", help="other tables in the order of time, and made streams")
    parser.add_argument("--warm", type=int, default=WARM, help="rows that are known before the first answer")
    parser.add_argument("--brief", action="store_true", help="the loop beside frozen and always, nothing else")
    arguments = parser.parse_args()
    data, warm = arguments.data, arguments.warm
    streams = [load(data, name, warm=warm) for name in arguments.streams]
    streams += [load(data, "elec2", lagged=True, warm=warm)] if arguments.lagged else []
    if arguments.more:
        streams += [load_table(data, name, warm=warm) for name in TABLES] + [made(kind, warm=warm) for kind in MADE]
    for stream in streams:
        print(f"{stream.name}: {len(stream.y):,} rows, {len(stream.starts)} chunks")
        found = {}
        for one in reached(stream, ("static", "every chunk") if arguments.brief else (*POLICIES,)):
            print(one.line(), flush=True)
            found[one.policy] = one
        for figure in goals(found):
            print(f"    {figure.line()}")


if __name__ == "__main__":
    main()
