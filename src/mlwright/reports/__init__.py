"""Views of a run for people: the report (one HTML page) and the model card (Markdown).

In comes a `Run`, out comes text: start at `report_page`. Nothing is computed here that is not in the run's evidence; a
number on the page carries the id of its evidence.
"""

from mlwright.reports.card import model_card
from mlwright.reports.choice import explain_choice
from mlwright.reports.page import report_page

__all__ = ["explain_choice", "model_card", "report_page"]
