"""Views of a run for people: the report (one HTML page) and the model card (Markdown); and the page on feasibility.

In comes a `Run` (or a `Verdict`), out comes text: start at `report_page`. Nothing is computed here that is not in the
run's evidence; a number on the page carries the id of its evidence.
"""

from mlwright.reports.card import model_card
from mlwright.reports.choice import explain_choice
from mlwright.reports.feasibility_page import feasibility_page
from mlwright.reports.page import report_page
from mlwright.reports.verdict import Answer, answer

__all__ = ["Answer", "answer", "explain_choice", "feasibility_page", "model_card", "report_page"]
