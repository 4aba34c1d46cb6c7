"""Where and why models err, as tables that every form of the report shows."""

from __future__ import annotations

from typing import Any

from utils.report.gather import Gathered


def analyse(gathered: Gathered, before: Gathered | None = None) -> dict[str, Any]:
    """Return the analyses: {"sections": [{"title", "about", "tables"}], "curves": [...]}."""
    return {"sections": [], "curves": []}
