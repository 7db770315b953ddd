"""The outcome of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

if TYPE_CHECKING:
    from torch import Tensor

from . import outputs

if TYPE_CHECKING:
    from .sensing import Sensitivity


class Total(NamedTuple):
    """A quantity before and after."""

    before: int
    after: int


class Report:
    """What :func:`paring.speedup` did.

    Attributes:
        unified_masks: parameter → bool tensor of the original's shape; the module is equal to the original times these.
        graph_forwards: modules whose forward is the small program's graph now (``""`` is the root).
        parameters: number of parameters, tied ones once.
        macs: multiply-accumulates of a forward pass.
        reasons: a line for what stayed although a mask drops it, or could be asked to go, and what else to know.
        plan: every edit and its reason, as ``paring speedup --plan`` writes it.
        output: the file that was written, for a model that is one; else None.
    """

    output: Optional[str] = None

    def __init__(
        self,
        summary: dict[str, Any],
        table: str,
        page: str,
        plan: dict[str, Any],
        unified_masks: Mapping[str, Tensor],
        graph_forwards: dict[str, str],
        notes: list[str],
    ) -> None:
        self._summary, self._table, self._page, self.plan = summary, table, page, plan
        self.unified_masks = unified_masks
        self._why = graph_forwards
        self.graph_forwards = list(graph_forwards)
        self.parameters = Total(**summary["parameters"])
        self.macs = Total(**summary["macs"])
        lines = [
            f"{n['subject']}: {n['text']}" + (f" ({n['line']})" if n.get("line") else "")
            for k in ("kept", "unknown", "notes")
            for n in summary[k]
        ]
        self.reasons: list[str] = [*lines, *notes]

    def __str__(self) -> str:
        out = self._table.rstrip()
        if self._why:
            out += "\n\nModules whose code cannot follow, with the small program's graph as their forward"
            out += "".join(f"\n  {name or '(the root)'}: {why}" for name, why in self._why.items())
        return out

    def __repr__(self) -> str:
        p, m = self.parameters, self.macs
        return f"<paring.Report: parameters {p.before:,} -> {p.after:,}, macs {m.before:,} -> {m.after:,}>"

    def _repr_html_(self) -> str:
        import html

        return f'<iframe style="width:100%;height:640px;border:0" srcdoc="{html.escape(self._page)}"></iframe>'

    def save_html(self, path: str, sensitivity: Optional[Sensitivity] = None) -> None:
        """Writes the report as a page for a browser, with the plot and the table of a :func:`paring.sensitivity` if one is given."""
        page = self._page
        if sensitivity is not None:
            section = f'<section id="sensitivity"><h2>Sensitivity</h2>{sensitivity.to_html()}</section>\n</main>'
            page = page.replace("</main>", section, 1)
            page = page.replace('id="nav"></nav>', 'id="nav"><a href="#sensitivity">Sensitivity</a></nav>', 1)
        with outputs.replacing(path) as file:
            file.write(page.encode())

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data, as ``paring speedup --json`` prints it, with ``graph_forwards`` (name → why)."""
        return {**self._summary, "graph_forwards": dict(self._why)}
