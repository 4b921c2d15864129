"""Levels that the model never saw: other spellings of known ones, cut or damaged texts, or truly new ones."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from mlwright.data import Column
from mlwright.data.dataset import IntArray
from mlwright.monitoring.irregular.irregularity import BoolArray, Irregularity, shown_share
from mlwright.monitoring.irregular.look import LEAST_COUNT, Look, log_tail
from mlwright.monitoring.irregular.reference import Levels
from mlwright.monitoring.irregular.repairs import MapLevels, SetMissing

#: What UTF-8 looks like that was read as Latin-1 or cp1252, and the sign for what could not be read at all.
_DAMAGED = re.compile("\ufffd|[ÃÂ][\u0080-\u00ff\u0152-\u2122]|â€|Ð[\u0080-\u00ff]|Ñ[\u0080-\u00ff]")
#: So many rows with a new level are counted as one.
_GROUP = 5
#: A level of such a share of a batch is common.
_COMMON = 0.02
#: Causes that say what a level should be: that it is new needs no other evidence.
_EXPLAINED = {"encoding_damage", "levels_respelled", "text_cut"}
_A_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?|true|false", re.IGNORECASE)


class _Cause(NamedTuple):
    """Why levels are unseen: the levels by their number, and the known one each stands for, if one does."""

    kind: str
    means: dict[int, str | None]


def unseen_levels(look: Look) -> Iterator[Irregularity]:
    """Columns in which many rows have a level that no training row had, by what makes them new."""
    for column in look.columns("category"):
        known = look.levels(column.name)
        if known is None:
            continue
        codes, texts, reference = known
        counts = np.bincount(codes[codes >= 0], minlength=len(texts))
        strange = np.array([level not in reference.shares for level in texts], dtype=bool) & (counts > 0)
        if counts[strange].sum() < LEAST_COUNT:
            continue
        unseen, told = reference.unseen(texts)
        # A level that is not among the commonest of training had a tiny share there, whether it was seen or not.
        common = strange & (counts >= max(LEAST_COUNT, _COMMON * look.n))
        unseen, told = (unseen | common) & strange, told | common
        burst = _is_burst(look, column, counts, unseen, told, reference)
        for cause in _causes(texts, counts, strange, unseen, reference):
            rows = np.r_[np.isin(np.arange(len(texts)), list(cause.means)), False][codes]
            if cause.kind in _EXPLAINED:
                least = max(LEAST_COUNT, (0.01 if len(cause.means) > 1 else 0.05) * look.n)
            elif not burst:
                continue
            else:
                least = max(LEAST_COUNT, 0.005 * look.n)
            if rows.sum() >= least:
                yield _named(look, column, cause, rows, texts, reference)


def _is_burst(
    look: Look, column: Column, counts: IntArray, unseen: BoolArray, told: BoolArray, reference: Levels
) -> bool:
    """Whether more rows have a level never seen than chance and habit give."""
    judged, new = int(counts[told].sum()), int(counts[unseen].sum())
    if new < LEAST_COUNT or judged == 0:
        return False
    stretch = look.stretch(column.name)
    usual = max(reference.fresh, 0.0 if stretch is None else 1.5 * stretch.fresh)
    share = new / judged
    if share < max(0.01, usual + 0.02 if usual > 0.01 else 0.01):
        return False
    # New levels come in groups: a new customer brings several rows.
    return log_tail(round(new / _GROUP), judged / _GROUP, min(usual, 0.9)) < float(np.log(look.alpha_each))


def _causes(
    texts: list[str], counts: IntArray, strange: BoolArray, unseen: BoolArray, reference: Levels
) -> list[_Cause]:
    """What explains the unseen levels, the surest explanations first; each level has one.

    Where it cannot be said of every level whether it was seen (`strange`: it is not among those that are kept), the
    explanation itself says it.
    """
    left = {int(code) for code in np.flatnonzero(strange)}
    total = int(counts[strange].sum())
    causes: list[_Cause] = []
    explanations: tuple[tuple[str, Callable[[], dict[int, str | None]]], ...] = (
        ("encoding_damage", lambda: _damaged(texts, left, reference)),
        ("levels_respelled", lambda: _respelled(texts, left, reference)),
        ("text_cut", lambda: _cut(texts, counts, left, reference)),
        ("type_changed", lambda: _codes(texts, left, reference)),
    )
    for kind, explained in explanations:
        means = explained()
        if means and counts[list(means)].sum() >= max(LEAST_COUNT, 0.02 * total):
            causes.append(_Cause(kind, means))
            left -= means.keys()
    new = {code for code in left if unseen[code]}
    if causes and counts[list(left)].sum() < (0.1 if reference.complete else 0.5) * total:
        # What is left over of a column that was cut is not news; the more so where not all levels are known.
        causes[-1].means.update(dict.fromkeys(left))
    elif new:
        mostly = counts[list(new)].sum() >= 0.9 * counts[list(left)].sum()
        causes.append(_Cause("new_levels", dict.fromkeys(left if mostly else new)))
    return causes


def _respelled(texts: list[str], left: set[int], reference: Levels) -> dict[int, str | None]:
    """Levels that are known ones but for case, spaces, signs or accents."""
    plain: dict[str, list[str]] = {}
    for level in reference.shares:
        plain.setdefault(_plain(level), []).append(level)
    found = {code: plain.get(_plain(texts[code]), []) for code in left}
    return {code: levels[0] for code, levels in found.items() if len(levels) == 1 and _plain(texts[code])}


def _plain(text: str) -> str:
    """A text without what people vary when they spell it.

    Examples
    --------
    >>> _plain("Self-emp Inc."), _plain("Café")
    ('selfempinc', 'cafe')
    """
    letters = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in letters if c.isalnum())


def _cut(texts: list[str], counts: IntArray, left: set[int], reference: Levels) -> dict[int, str | None]:
    """Levels that are the beginning of known ones, all cut at the same length."""
    longest = max((len(text) for code, text in enumerate(texts) if counts[code]), default=0)
    if longest >= reference.longest or longest < 1:
        return {}
    found: dict[int, str | None] = {}
    for code in left:
        beginning = texts[code]
        # Spaces at the cut are taken off when values are read.
        if longest - len(beginning) > 1:
            continue
        whole = [level for level in reference.shares if len(level) > len(beginning) and level.startswith(beginning)]
        if whole:
            found[code] = whole[0] if len(whole) == 1 else None
    return found


def _damaged(texts: list[str], left: set[int], reference: Levels) -> dict[int, str | None]:
    """Levels with the marks of a wrong encoding, and the known level that each was, if that can be told."""
    was: dict[str, str | None] = {}
    for level in reference.shares:
        if not level.isascii():
            for form in _damages(level):
                was[form] = level if was.get(form, level) == level else None
    found: dict[int, str | None] = {}
    for code in left:
        text = texts[code]
        if text in was:
            found[code] = was[text]
        elif _DAMAGED.search(text) and not any(_DAMAGED.search(level) for level in reference.shares):
            found[code] = _undone(text) if _undone(text) in reference.shares else None
    return found


def _damages(text: str) -> Iterator[str]:
    raw = text.encode()
    for wrong in ("latin-1", "cp1252", "ascii"):
        yield raw.decode(wrong, "replace")
        yield text.encode(wrong, "replace").decode(wrong)
    for wrong in ("latin-1", "cp1252"):
        yield text.encode(wrong, "replace").decode("utf-8", "replace")
        yield text.encode(wrong, "ignore").decode("utf-8", "ignore")
    yield text.encode("ascii", "ignore").decode()


def _undone(text: str) -> str | None:
    for wrong in ("cp1252", "latin-1"):
        try:
            return text.encode(wrong).decode()
        except UnicodeError:
            continue
    return None


def _codes(texts: list[str], left: set[int], reference: Levels) -> dict[int, str | None]:
    """Numbers or truth values where there were names."""
    if sum(bool(_A_NUMBER.fullmatch(level)) for level in reference.shares) > 0.05 * len(reference.shares):
        return {}
    found = {code: None for code in left if _A_NUMBER.fullmatch(texts[code])}
    return dict(found) if len(found) >= 0.9 * len(left) else {}


_SENTENCES = {
    "encoding_damage": "{name!r} has texts damaged by a wrong encoding in {share} of the rows.",
    "levels_respelled": "{name!r} spells known levels otherwise (case, spaces or signs) in {share} of the rows.",
    "text_cut": "{name!r} is cut off after {length} characters in {share} of the rows.",
    "type_changed": "{name!r} has numbers or codes where it had names, in {share} of the rows.",
    "new_levels": "{name!r} has levels that no training row had in {share} of the rows.",
}
_ADVICE = {
    "encoding_damage": "Ask the source to write UTF-8. If the rule gives the right texts, accept it.",
    "levels_respelled": "If the spellings mean the same, accept the rule.",
    "text_cut": "Ask the source for the width of the field. What is unmistakable can be completed by the rule.",
    "type_changed": "Ask the source for the list of codes and what they mean.",
    "new_levels": "If they are right, the model must learn them: train it again. If not, ask the source.",
}


def _named(
    look: Look, column: Column, cause: _Cause, rows: BoolArray, texts: list[str], reference: Levels
) -> Irregularity:
    share = float(rows.mean())
    # What cannot be told stays as it came: to the model it is a level that it does not know.
    meant = [(texts[code], level) for code, level in sorted(cause.means.items()) if level is not None]
    repair = MapLevels(column=column.name, levels=tuple(meant)) if meant else None
    length = max(len(texts[code]) for code in cause.means)
    return look.found(
        cause.kind,
        (column.name,),
        rows,
        _SENTENCES[cause.kind].format(name=column.name, share=shown_share(share), length=length),
        _ADVICE[cause.kind],
        confidence=1 - reference.fresh,
        evidence={
            "levels": len(cause.means),
            "explained": len(meant),
            "rows": int(rows.sum()),
        },
        repair=repair or SetMissing(column=column.name),
    )
