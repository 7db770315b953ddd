"""Sensitivity: what the module's quality loses when one group is pruned alone."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Optional

from torch import Tensor, nn

from . import outputs, programs, pruning
from .errors import Error, translated
from .grouping import Group, Program
from .scoring import By, Measuring


class Sensitivity:
    """A table of the metric by group and ratio.

    Attributes:
        base: the metric of the whole module.
        ratios: the ratios that were tried.
        rows: group's number → ratio → metric. Ratios at which nothing went are missing.
        groups: the groups by number.
    """

    def __init__(
        self,
        base: float,
        ratios: Sequence[float],
        rows: Mapping[int, Mapping[float, float]],
        groups: Mapping[int, Group],
        total: Mapping[str, int],
    ) -> None:
        self.base, self.ratios, self.groups, self._total = base, list(ratios), dict(groups), dict(total)
        self.rows = {k: dict(v) for k, v in rows.items()}

    def __iter__(self) -> Iterator[tuple[Group, dict[float, float]]]:
        return ((self.groups[k], row) for k, row in self.rows.items())

    def __len__(self) -> int:
        return len(self.rows)

    def allowed(self, loss: float) -> dict[str, float]:
        """For each group the largest ratio up to which the metric is never worse by more than ``loss``: a dict that ``ratio=`` takes."""
        found = {}
        for k, row in self.rows.items():
            best = 0.0
            for r in sorted(row):
                if self.base - row[r] > loss:
                    break
                best = r
            found[str(k)] = best
        return found

    def suggest(self, *, params: Optional[float] = None, macs: Optional[float] = None) -> dict[str, float]:
        """The ratios that lose least and, as the groups' worth tells, leave about this share: for ``ratio=``. The product of what coupled layers
        lose is not counted, so that somewhat less is left."""
        key, goal = ("macs", macs) if macs is not None else ("parameters", params if params is not None else 0.5)
        losses = sorted({max(self.base - m, 0.0) for row in self.rows.values() for m in row.values()})
        found = self.allowed(0.0)
        for loss in losses:
            found = self.allowed(loss)
            gone = sum(self.groups[int(k)].worth[key] * self.groups[int(k)].positions * r for k, r in found.items())
            if gone >= (1 - goal) * self._total[key]:
                break
        return found

    def __str__(self) -> str:
        names = {k: f"{k} {self.groups[k].name}" for k in self.rows}
        width = max(map(len, names.values()), default=0)
        lines = [f"{'group':<{width}}  " + "".join(f"{r:>9.2f}" for r in self.ratios), f"{'(whole)':<{width}}  {self.base:>9.4f}"]
        for k, row in self.rows.items():
            lines.append(f"{names[k]:<{width}}  " + "".join(f"{row[r]:>9.4f}" if r in row else " " * 9 for r in self.ratios))
        return "\n".join(lines)

    def to_svg(self) -> str:
        """A curve for each group: the metric against the ratio."""
        wide, high, left, top = 720, 420, 60, 20
        values = [self.base, *(m for row in self.rows.values() for m in row.values())]
        low, most = min(values), max(values)
        span = (most - low) or 1.0

        def x(r: float) -> float:
            return left + (wide - left - 220) * r / max(self.ratios)

        def y(m: float) -> float:
            return top + (high - top - 50) * (most - m) / span

        out = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" font-family="sans-serif" font-size="11" '
            f'fill="currentColor" role="img" aria-label="The metric against the share of each group that goes">',
            f'<text x="{left}" y="{high - 12}">share of the group that goes</text>',
        ]
        for r in [0.0, *self.ratios]:
            out.append(f'<text x="{x(r):.0f}" y="{high - 32}" text-anchor="middle">{r:g}</text>')
        for k in range(5):
            m = low + span * k / 4
            out.append(f'<text x="{left - 6}" y="{y(m) + 4:.0f}" text-anchor="end">{m:.3g}</text>')
            out.append(
                f'<line x1="{left}" x2="{x(max(self.ratios)):.0f}" y1="{y(m):.0f}" y2="{y(m):.0f}" stroke="currentColor" stroke-opacity=".15"/>'
            )
        for n, (k, row) in enumerate(self.rows.items()):
            colour = f"hsl({(n * 137) % 360},60%,45%)"
            points = " ".join(f"{x(r):.1f},{y(m):.1f}" for r, m in [(0.0, self.base), *sorted(row.items())])
            name = html.escape(f"{k} {self.groups[k].name}")
            out.append(
                f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"><title>{name}</title></polyline>'
            )
            if n < 28:
                out.append(f'<text x="{wide - 210}" y="{top + 14 * n + 4}" fill="{colour}">{name[:38]}</text>')
        return "\n".join([*out, "</svg>"])

    def to_html(self) -> str:
        """The plot, and the table under it."""
        head = "".join(f'<th scope="col">{r:g}</th>' for r in self.ratios)
        rows = [f'<tr><th scope="row">(whole)</th><td colspan="{len(self.ratios)}">{self.base:.4f}</td></tr>']
        for k, row in self.rows.items():
            cells = "".join(f"<td>{row[r]:.4f}</td>" if r in row else "<td></td>" for r in self.ratios)
            rows.append(f'<tr><th scope="row">{html.escape(f"{k} {self.groups[k].name}")}</th>{cells}</tr>')
        style = "max-width:100%;overflow-x:auto"
        table = f'<table><thead><tr><th scope="col">group</th>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
        return f'<div style="{style}">{self.to_svg()}</div><div style="{style}">{table}</div>'

    def save_svg(self, path: str) -> None:
        """Writes the plot."""
        with outputs.replacing(path) as file:
            file.write(self.to_svg().encode())

    def _repr_html_(self) -> str:
        return self.to_html()

    def __repr__(self) -> str:
        return f"<paring.Sensitivity of {len(self)} groups at {len(self.ratios)} ratios>"


def sensitivity(
    model: nn.Module,
    args: Any,
    evaluate: Callable[[nn.Module], float],
    kwargs: Optional[Mapping[str, Any]] = None,
    *,
    ratios: Sequence[float] = (0.25, 0.5, 0.75),
    by: By = "l1",
    data: Optional[Iterable[Any]] = None,
    loss: Optional[Callable[[nn.Module, Any], Tensor]] = None,
    reduce: str = "sum",
    groups: Optional[Sequence[str]] = None,
    **options: Any,
) -> Sensitivity:
    """Prunes each group alone at several ratios, and looks what a metric makes of it.

    The module is multiplied by the masks that a cut would be equal to, and is afterwards what it was.

    Args:
        model, args, kwargs: the module, and an example of what it is called with.
        evaluate: a function of the module: the larger, the better.
        ratios: the shares of a group that go.
        by, data, loss, reduce: what goes first, as :func:`paring.prune` takes them.
        groups: names or patterns of the groups; all that can be pruned, if left out. Heads are among them.
        options: ``freeze``, ``rules``, ``dynamic_shapes``, ``strict``, as :func:`paring.speedup` takes them.
    """
    programs.of_modules("sensitivity", model, "it runs the module; `paring analyze` shows the groups of a file")
    program = Program(model, args, kwargs, **pruning.exporting(pruning.cutting(options)))
    scores = Measuring(program, by, data, loss, reduce, None).scores()
    chosen = [g for g in program.groups.prunable if g.id in scores]
    if groups is not None:
        wanted = {g.id for name in groups for g in program.groups.named(name)} | {int(n) for n in groups if str(n).isdigit()}
        chosen = [g for g in chosen if g.id in wanted]
    base = float(evaluate(model))
    rows: dict[int, dict[float, float]] = {}
    for g in chosen:
        for r in ratios:
            goal = pruning.Goal({str(g.id): r})
            try:
                found, raw = pruning.choose(program, goal, {g.id: scores[g.id]})
            except Error:
                continue  # it cannot shrink after all
            if not found.lost:
                continue
            with pruning.masked(program.model, pruning.unified(program, raw)):
                rows.setdefault(g.id, {})[r] = float(evaluate(model))
    with translated():  # a cut that removes nothing knows the totals
        summary = json.loads(program.library.cut([], json.dumps(pruning.PLAIN)).summary())
    total = {"parameters": summary["parameters"]["before"], "macs": summary["macs"]["before"]}
    return Sensitivity(base, ratios, rows, {g.id: g for g in chosen}, total)
