"""The sections of `mlwright.yaml`, one class each; `Spec` in `spec.py` puts them together.

Every field has a description: it is what `mlwright spec schema` publishes and what editors show.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from mlwright.spec.expressions import Expression, ExpressionInvalid, attribute_expression
from mlwright.spec.kinds import LogicalType
from mlwright.spec.values import Day, Duration, ExpressionField, Names

Period = Literal["hour", "day", "week", "month", "quarter", "year"]


class Section(BaseModel):
    """Strict, frozen, no unknown keys."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class Project(Section):
    """What this is about, for the people who will read the report."""

    name: Annotated[str, Field(min_length=1, max_length=100)] = "unnamed"
    """A short name; it titles the report and the registered model."""
    owner: str | None = None
    """Who answers for the model: a person or a team, with a way to reach them."""
    statement: str | None = None
    """The business question in one or two sentences."""
    deadline: Day | None = None
    """The day by which the model is to be in use: `2026-12-31`."""


class Query(Section):
    """A database and what to ask it."""

    url: str
    """`sqlite:///customers.db` or `postgresql://user@host/database`; `${NAME}` is read from the environment."""
    query: str
    """The SELECT whose rows are the table."""


class Reading(Section):
    """How to read a file, where what mlwright finds out by itself is wrong."""

    delimiter: str | None = None
    """Between fields of a text file: `,` `;` `|` or a tab."""
    encoding: str | None = None
    """Of a text file, e.g. `utf-8` or `cp1252`."""
    header: bool | None = None
    """Whether the first line names the columns."""
    skip_lines: Annotated[int, Field(ge=0)] = 0
    """Lines before the header."""
    skip_ragged_rows: bool = False
    """Leave out (and count) lines with too many or too few fields instead of stopping."""
    sheet: str | int | None = None
    """Of an Excel file: its name, or its number from 0."""


class ColumnOverride(Section):
    """What to do with one column, where mlwright's own reading of it is wrong."""

    type: LogicalType | None = None
    """The type to use instead of the one found."""
    missing: tuple[str | float, ...] | None = Field(default=None, strict=False)
    """Values that mean missing; takes the place of those found."""
    replace: dict[str, str] | None = None
    """Spellings to unify before anything else: `{"yes ": "yes", "Y": "yes"}`."""
    formats: Names | None = None
    """Formats of a date column, in the order to try them: `%d.%m.%Y`."""
    known_in_time: bool = False
    """True says: this column is known before the decision, however well it predicts."""


class Data(Section):
    """Where the rows are and what the columns are for."""

    source: str | Query
    """A path, a glob of paths, an `s3://`, `gs://` or `hdfs://` URL, or a database: `{url, query}`."""
    target: str
    """The column to predict."""
    positive_class: str | int | float | bool | None = None
    """Of two classes, the one that the decision is about (`yes`, `1`, `bad` …)."""
    id: str | None = None
    """Names a row; never a feature; repeated in the predictions."""
    time: str | None = None
    """When the row was known; makes the split go forward in time. Its month, weekday and hour become features."""
    group: str | None = None
    """Rows of one group (a customer, a household, a patient) are never on both sides of a split."""
    weight: str | None = None
    """How much a row counts; never a feature."""
    must_not_use: Names = ()
    """Columns that may not be features, by law or by choice."""
    known_after_decision: Names = ()
    """Columns that are filled in after the decision is taken; they would leak the answer."""
    sensitive: Names = ()
    """Columns that name people's groups; scores are shown for each group."""
    reading: Reading = Reading()
    """How to read the file, where mlwright gets it wrong."""
    columns: dict[str, ColumnOverride] = Field(default_factory=dict)
    """What to do with single columns, where mlwright gets them wrong."""


class OutcomeValues(Section):
    """What each outcome of a decision is worth, per row: numbers, or expressions over columns; costs are negative."""

    true_positive: ExpressionField = Field(default=0.0, validate_default=True)
    """We act, and the row is of the positive class."""
    false_positive: ExpressionField = Field(default=0.0, validate_default=True)
    """We act, and it is not."""
    false_negative: ExpressionField = Field(default=0.0, validate_default=True)
    """We do not act, and the row is of the positive class."""
    true_negative: ExpressionField = Field(default=0.0, validate_default=True)
    """We do not act, and it is not."""


_CAPACITY = re.compile(r"(\d+)\s*(?:per|/|a)\s*(hour|day|week|month|quarter|year)")
_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%")


_CAPACITY_FORMS = "write a capacity as `500 per week`, `5%` or a share such as 0.05"


def _or_short(schema: dict[str, Any]) -> None:
    """Say in the JSON Schema that a capacity may also be a number or a text."""
    section = {key: schema.pop(key) for key in ("type", "properties", "additionalProperties")}
    text = {"type": "string", "pattern": rf"^\s*({_CAPACITY.pattern}|{_SHARE.pattern})\s*$"}
    schema["anyOf"] = [{"type": "number", "exclusiveMinimum": 0, "maximum": 1}, text, section]


class Capacity(Section):
    """How often we can act: `500 per week`, or a share of the rows such as `5%` or `0.05`."""

    model_config = ConfigDict(json_schema_extra=_or_short)

    count: Annotated[int, Field(gt=0)] | None = None
    """So many rows per period."""
    per: Period | None = None
    """The period of `count`."""
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    """Or this share of all rows."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if isinstance(value, float | int) and not isinstance(value, bool):
            return {"share": float(value)}
        if isinstance(value, str):
            if found := _CAPACITY.fullmatch(value.strip()):
                return {"count": int(found[1]), "per": found[2]}
            if found := _SHARE.fullmatch(value.strip()):
                return {"share": float(found[1]) / 100}
        if not isinstance(value, dict | Capacity):
            raise ValueError(_CAPACITY_FORMS)
        return value

    @model_validator(mode="after")
    def _one_kind(self) -> Capacity:
        if (self.share is None) == (self.count is None) or (self.count is None) != (self.per is None):
            raise ValueError(f"a capacity is either a count per period or a share; {_CAPACITY_FORMS}")
        return self


class Volume(Section):
    """How many rows there are to decide on, so that money per row becomes money per period."""

    count: Annotated[int, Field(gt=0)]
    """Rows."""
    per: Period
    """In this period."""


class Decision(Section):
    """What is decided with a prediction, and what right and wrong decisions are worth."""

    action: str | None = None
    """What we do for a row of the positive class: `offer a discount`."""
    currency: str = "units"
    """Of all values and costs."""
    values: OutcomeValues | None = None
    """The worth of each outcome, per row (binary tasks)."""
    error_cost: ExpressionField | None = None
    """What an error costs, over `error`, `prediction`, the target and columns (regression): `0.02 * abs(error)`."""
    capacity: Capacity | None = None
    """How often we can act."""
    volume: Volume | None = None
    """How many rows there are to decide on."""
    current_process: ExpressionField | None = None
    """What is done today, as a rule over columns: `months < 3 and complaints > 0`."""
    label_price: Annotated[float, Field(ge=0)] | None = None
    """What one more labelled row costs."""


class Requirement(Section):
    """One fit criterion; it ends as met, not met or undecided."""

    id: Annotated[str, Field(min_length=1)]
    """`R1`; the reports refer to it."""
    metric: str
    """`roc_auc`, `recall`, `rmse`, `value` …; `mlwright spec metrics` lists them."""
    at: Annotated[float, Field(gt=0, le=1)] | None = None
    """The level of a metric that needs one: `precision_at_recall` at 0.6; of `…_at_top` the capacity's if not given."""
    min: float | None = None
    """The score must be at least this …"""
    max: float | None = None
    """… or at most this."""
    on: str = "overall"
    """All rows, or those where an expression over columns holds: `region == "north"`."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.9
    """How sure we must be, as a one-sided probability."""
    priority: Literal["must", "should", "could"] = "must"
    """A `must` that is not met ends the run with exit code 1."""
    rationale: str | None = None
    """Why it is asked, for the reader of the report."""

    @model_validator(mode="after")
    def _one_bound(self) -> Requirement:
        if (self.min is None) == (self.max is None):
            raise ValueError("a requirement has one bound: `min` or `max`")
        return self

    @field_validator("on")
    @classmethod
    def _readable(cls, on: str) -> str:
        try:
            Expression.parse(on)
        except ExpressionInvalid as error:
            raise ValueError(f"{error.problem}; {error.fix}") from error
        return on

    @property
    def condition(self) -> Expression | None:
        """Which rows it is about; None is all of them."""
        return None if self.on == "overall" else Expression.parse(self.on)


class Fairness(Section):
    """A limit on how differently groups are treated (binary tasks); it ends as met, not met or undecided."""

    attribute: Annotated[str, Field(min_length=1)]
    """The column that names the groups, or an expression over columns: `age < 25`. It need not be a feature; a column of many
    numbers is cut into quarters."""
    metric: Literal[
        "demographic_parity_difference",
        "demographic_parity_ratio",
        "equal_opportunity_difference",
        "equal_opportunity_ratio",
        "equalized_odds_difference",
        "equalized_odds_ratio",
    ]
    """How the difference is measured."""
    min: Annotated[float, Field(ge=0, le=1)] | None = None
    """A ratio must be at least this …"""
    max: Annotated[float, Field(ge=0, le=1)] | None = None
    """… a difference at most this."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.9
    """How sure we must be, as a one-sided probability."""
    priority: Literal["must", "should", "could"] = "should"
    """A `must` that is not met ends the run with exit code 1."""
    adjust: Literal["never", "group_thresholds"] = "never"
    """`group_thresholds`: keep the limit by acting from other probabilities in other groups. That is unlawful in places and needs
    the group of a row when it is decided on: a person must have decided it."""

    @field_validator("attribute")
    @classmethod
    def _names_groups(cls, attribute: str) -> str:
        try:
            columns = attribute_expression(attribute).columns
        except ExpressionInvalid as error:
            raise ValueError(f"{error.problem}; {error.fix}") from error
        if not columns:
            raise ValueError("no column is named: write a column, or an expression over columns such as `age < 25`")
        return attribute

    @property
    def bound(self) -> float:
        """The limit: of a ratio from below, of a difference from above."""
        bound = self.min if self.is_ratio else self.max
        assert bound is not None  # `contradictions` says so before any row is read
        return bound

    @property
    def is_ratio(self) -> bool:
        """Whether groups are compared by a ratio."""
        return self.metric.endswith("ratio")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that say which group a row is of."""
        return attribute_expression(self.attribute).columns


class Constraints(Section):
    """What must hold for the model itself."""

    latency_ms: Annotated[float, Field(gt=0)] | None = None
    """95th percentile of the time to answer one row."""
    size_mb: Annotated[float, Field(gt=0)] | None = None
    """Of the package on disk."""
    memory_mb: Annotated[float, Field(gt=0)] | None = None
    """Of a process that answers."""
    monotonic: dict[str, Literal["increasing", "decreasing"]] = Field(default_factory=dict)
    """Columns that may only push the prediction one way."""
    interpretability: Literal["any", "reasons", "glass_box"] = "any"
    """`reasons`: every prediction can be explained; `glass_box`: the model itself can be read."""
    fairness: tuple[Fairness, ...] = Field(default=(), strict=False)
    """Limits on how differently groups are treated."""


class Budget(Section):
    """What the search may spend."""

    seconds: Annotated[float, Field(ge=1, le=7 * 86400)] = 60.0
    """Wall time for finding and fitting the model."""
    memory_mb: Annotated[float, Field(ge=256)] = 4096.0
    """Of the whole run; folds that do not fit into a part of it are encoded again instead of kept."""
    workers: Annotated[int, Field(ge=1, le=256)] = 2
    """Fits at the same time."""
    trials: Annotated[int, Field(ge=1)] | None = None
    """At most so many trials; with it and a seed, a run gives the same model on any machine that is fast enough."""
    warm_start: bool | None = None
    """Try early what earlier runs of this project chose. If not given: yes, unless `trials` is, so that a run can be
    repeated."""

    @property
    def starts_warm(self) -> bool:
        """Whether a run looks at earlier ones."""
        return self.trials is None if self.warm_start is None else self.warm_start


class Split(Section):
    """How rows are kept apart for the final test."""

    kind: Literal["auto", "random", "stratified", "grouped", "temporal"] = "auto"
    """`auto` proposes one from the data and says why."""
    test_share: Annotated[float, Field(gt=0, lt=0.9)] = 0.2
    """Of the rows, for the test."""
    gap: Duration | None = None
    """Time between training and test rows of a temporal split; the label delay if not given."""
    folds: Annotated[int, Field(ge=2, le=20)] | None = None
    """Of the cross-validation; chosen by the number of rows if not given."""


class Retrain(Section):
    """When and how a new version is made."""

    on: tuple[Literal["schedule", "drift", "loss", "staleness"], ...] = Field(default=("loss",), strict=False)
    """What triggers it; `staleness`: many new labelled rows, or an old model, without any alarm."""
    every: Duration | None = None
    """For a schedule."""
    approve: Literal["person", "automatic"] = "person"
    """Who says yes to a promotion."""
    min_gain: Annotated[float, Field(ge=0)] = 0.0
    """The least improvement that is worth a promotion, in the unit of the objective, a row."""
    prove: Literal["each", "retraining"] = "each"
    """`each`: each challenger proves itself. `retraining`: once challengers have proven that retraining gains, the next ones answer
    at once, until two in a row have to be rolled back; for streams that age faster than a challenger can prove itself."""
    guards: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    """Metrics that a promotion may not harm, and by how much a row it may at most: `{accuracy: 0.005}`."""
    tolerance: Annotated[float, Field(ge=0)] = 0.0
    """How much worse a row may become before something is done, in the unit of the objective."""
    cost: Annotated[float, Field(ge=0)] | None = None
    """What making and checking a new version costs, in the currency of the decision: it is made if it saves more."""
    horizon: Annotated[Duration, Field(json_schema_extra={"default": "90d"})] = timedelta(days=90)
    """For how long a new version will be used: what it saves is counted for so long."""


class Acting(Section):
    """What is done by itself when the monitor finds something; what is not is recommended to a person."""

    reweight: Literal["recommend", "automatic"] = "recommend"
    """Adjust the probabilities where only the shares of the classes have moved."""
    recalibrate: Literal["recommend", "automatic"] = "recommend"
    """Adjust the probabilities where they no longer say how often something happens, and still rank the rows well."""
    retrain: Literal["recommend", "automatic"] = "recommend"
    """Make a challenger and compare it with the champion; who says yes to its promotion is `retrain.approve`."""


#: The names of irregular input of which rows are kept back; `monitoring.irregular` recognises them.
Irregular = Literal[
    "column_gone",
    "column_renamed",
    "type_changed",
    "columns_swapped",
    "missing_burst",
    "missing_marker",
    "unit_change",
    "constant_column",
    "impossible_dates",
    "levels_respelled",
    "text_cut",
    "encoding_damage",
    "new_levels",
    "rows_repeated",
    "batch_repeated",
]
RepairChoice = Literal["recommend", "accept", "ignore"]


class Operation(Section):
    """What happens once the model answers."""

    label_delay: Annotated[Duration, Field(json_schema_extra={"default": "0s"})] = timedelta(0)
    """How long it takes until the truth about a row is known."""
    strict_input: bool = False
    """Refuse rows with unseen levels or values out of range instead of answering and counting them."""
    false_alarms_per_year: Annotated[float, Field(gt=0)] = 2.0
    """How often the monitor may be wrong."""
    window: Annotated[Duration, Field(json_schema_extra={"default": "1d"})] = timedelta(days=1)
    """How long the stretches of time are that are compared with the training rows: whole hours."""
    reference_from: Day | None = None
    """Rows from this day on are like those that come now: what answers are compared with is learnt from them, if they are 500 or
    more. The loop sets it in the spec of a challenger that was made after a change."""
    drift_tolerance: Annotated[float, Field(ge=0)] | dict[str, Annotated[float, Field(ge=0)]] = 0.0
    """How far a column may move before it counts as drift: in standard deviations, or by column in its own unit."""
    retrain: Retrain = Retrain()
    """When and how a new version is made."""
    act: Acting = Acting()
    """What is done by itself when the monitor finds something."""
    repair: dict[Irregular, RepairChoice | dict[str, RepairChoice]] = Field(default_factory=dict)
    """What becomes of rows with irregular input, by its name, and by column if need be: `recommend` (as long as nothing is said)
    keeps them in quarantine, `accept` repairs them by the rule for it, `ignore` lets them through as they are."""

    @field_validator("window")
    @classmethod
    def _whole_hours(cls, window: timedelta) -> timedelta:
        if window < timedelta(hours=1) or window % timedelta(hours=1):
            raise ValueError("a window is a number of whole hours: 1h, 12h, 1d or 7d")
        return window


class PredictionLogging(Section):
    """What is kept of each answer: the prediction log."""

    destination: str = "predictions"
    """Where sealed Parquet files go: a folder, or an `s3://`, `gs://` or `hdfs://` URL."""
    segments: str | None = None
    """A local folder for what is not sealed yet; `segments` in the destination, unless that is a URL."""
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Of the answers that are kept, chosen by a hash of their id: the same id is always kept or never."""
    mask: dict[str, Literal["drop", "hash"]] = Field(default_factory=dict)
    """Fields that are left out, or replaced by a hash with the key in `MLWRIGHT_MASK_KEY`, before they are written."""
    retention: Duration | None = None
    """Answers and labels older than this are removed; they are kept if it is not given."""
    on_full: Literal["refuse", "go_on"] = "refuse"
    """If an answer cannot be written: refuse to answer, or answer without keeping it; both are counted."""
    fsync: bool = False
    """Wait for the disk at each answer, so that a power failure loses none; a killed process loses none either way."""
    rotate_mb: Annotated[float, Field(gt=0, le=1024)] = 64.0
    """A segment of this size is finished and sealed …"""
    rotate_every: Annotated[Duration, Field(json_schema_extra={"default": "10min"})] = timedelta(minutes=10)
    """… and one of this age."""


class RegistryPlace(Section):
    """Where the versions of the model are kept, and who makes the first of them champion."""

    url: str = "sqlite:///mlwright.db"
    """The database, an MLflow one: `sqlite:///mlwright.db` or `postgresql://user@host/database`; `${NAME}` is read from the
    environment."""
    artifacts: str = "mlartifacts"
    """The folder of the packages; machines that share a database must share it as well."""
    first: Literal["automatic", "person"] = "automatic"
    """Who makes the first champion: `automatic` takes the first version that meets every `must`, since nobody answers yet;
    `person` waits for `mlwright promote --approve`."""


#: A weekday as people write it in a schedule.
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
AlertLevel = Literal["info", "warn", "page"]
_BETWEEN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


class Channel(Section):
    """One place that alerts are sent to."""

    url: Annotated[str, Field(min_length=1)]
    """`https://…` is a webhook; `mailto://…`, `slack://…` and a hundred more are sent by Apprise (`pip install
    'mlwright[alerts]'`). `${NAME}` is read from the environment: keep passwords and tokens there."""
    level: AlertLevel = "warn"
    """The least level that is sent here."""
    digest: Literal["never", "daily", "weekly"] = "never"
    """How often a summary is sent here."""
    timeout: Annotated[Duration, Field(json_schema_extra={"default": "10s"})] = timedelta(seconds=10)
    """How long one message may take; after it the attempt is ended and repeated later."""


class Silence(Section):
    """When alerts are kept and not sent; what is still open at its end is sent then."""

    key: Annotated[str, Field(min_length=1)] = "*"
    """Which alerts: a key as `mlwright monitor` shows it, or a pattern such as `drift/*`."""
    up_to: AlertLevel = "warn"
    """The highest level that is kept back."""
    days: tuple[Weekday, ...] = Field(default=(), strict=False)
    """On these days of the week; every day if none is given."""
    between: Annotated[str, Field(pattern=rf"^{_BETWEEN.pattern}$")] | None = None
    """Between two times of the day: `22:00-06:00`."""
    start: Day | None = None
    """From this day on …"""
    end: Day | None = None
    """… up to and with this one."""

    @model_validator(mode="after")
    def _in_order(self) -> Silence:
        if self.start is not None and self.end is not None and self.end < self.start:
            raise ValueError("it ends before it starts")
        return self

    @property
    def times(self) -> tuple[int, int] | None:
        """The two times of the day, in minutes since midnight."""
        found = _BETWEEN.fullmatch(self.between or "")
        return None if found is None else (int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4]))


class Escalation(Section):
    """Who is told when nobody has acknowledged an alert."""

    after: Annotated[Duration, Field(json_schema_extra={"default": "4h"})] = timedelta(hours=4)
    """So long after it was sent."""
    level: AlertLevel = "page"
    """The least level that is escalated."""
    to: Names = ()
    """Names of channels; all of them if none is given."""


class Alerts(Section):
    """Who is told what the monitor found, and when."""

    channels: dict[str, Channel] = Field(default_factory=dict)
    """Where alerts are sent, by a name of yours; without any they are only shown by `mlwright monitor`."""
    escalation: Escalation = Escalation()
    """Who is told when nobody has acknowledged an alert."""
    silence: tuple[Silence, ...] = Field(default=(), strict=False)
    """When alerts are kept and not sent."""
    resolve_after: Annotated[Duration, Field(json_schema_extra={"default": "1h"})] = timedelta(hours=1)
    """An alert ends when what it is about has been gone for so long."""
    timezone: str = "UTC"
    """Of the days and times here: `Europe/Berlin`."""
    digest_at: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "08:00"
    """The time of the day at which digests are made; weekly ones on Mondays."""

    @field_validator("timezone")
    @classmethod
    def _known(cls, timezone: str) -> str:
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

        try:
            ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("there is no such time zone; write it as Europe/Berlin or UTC") from error
        return timezone

    @model_validator(mode="after")
    def _names_channels(self) -> Alerts:
        unknown = sorted(set(self.escalation.to) - set(self.channels))
        if unknown:
            raise ValueError(f"`escalation.to` names channels that are not there: {', '.join(unknown)}")
        return self
