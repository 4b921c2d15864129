"""Jinja with the few filters that the templates use."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from mlwright.reports.words import chance, money, number, percent, span


@cache
def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=PackageLoader("mlwright.reports"),
        autoescape=select_autoescape(enabled_extensions=("html", "html.j2")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "percent": percent, "span": span, "chance": chance, "money": money}
    return environment


def rendered(template: str, view: Mapping[str, Any]) -> str:
    """Fill a template; a name that the view does not have is an error."""
    text: str = _environment().get_template(template).render(view)
    return text
