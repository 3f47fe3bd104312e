"""Write docs/performance.md: what `speed` keeps between two marks of it, made from benchmarks/results.json alone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from targets import Aim, Figure

MARKS = "<!-- measured -->", "<!-- end -->"
PARTS = {
    "neurons": "Neurons, forward",
    "training": "A layer, forward and backward",
    "recurrent": "A recurrent layer",
    "mlp": "Training of linear layers",
    "inference": "Networks on events",
    "chips": "Chips",
    "peers": "Other libraries",
    "cost": "What a neuron and step cost",
}
"""The programs of `make bench`, in the order they run, and their headings."""
Results = dict[str, dict[str, Any]]


def figures(results: Results, name: str) -> list[Figure]:
    """Give the figures of a part, if it was ever measured."""
    return [Figure(**each) for each in results.get(name, {}).get("figures", [])]


def verdicts(results: Results) -> Iterable[tuple[Aim, str, Figure | None, str]]:
    """Give every target: which, where, what was measured and how that is judged."""
    for aim in Aim:
        found = {figure.where: figure for figure in figures(results, aim.value.part) if figure.aim == aim.name}
        for where in aim.value.reach:
            yield aim, where, found.get(where), aim.value.verdict(found.get(where))


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Write a table in Markdown."""
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def targets(results: Results) -> str:
    """Write the table of all targets, and how many are reached."""
    judged = list(verdicts(results))
    counts = {word: sum(word in verdict for *_, verdict in judged) for word in ("reached", "missed", "not measured")}
    rows = [
        (aim.value.work, where, aim.value.measure, aim.value.bound(where), figure.text if figure else "", verdict)
        for aim, where, figure, verdict in judged
    ]
    summary = f"{counts['reached']} of {len(judged)} are reached, {counts['missed']} missed, {counts['not measured']} not measured."
    return f"{summary}\n\n{table(('what', 'where', 'measure', 'aim', 'measured', ''), rows)}"


def beside(found: Iterable[Figure]) -> Iterable[str]:
    """Write what was measured beside the targets: a table for each measure, a column for each place."""
    groups: dict[tuple[str, str], dict[str, dict[str, str]]] = {}
    absent: dict[str, None] = {}
    for figure in found:
        if figure.value is None:
            absent[f"{figure.work} ({figure.note})"] = None
        elif not figure.aim:
            axis = figure.where.partition(" = ")[0] if " = " in figure.where else ""
            groups.setdefault((figure.measure, axis), {}).setdefault(figure.work, {})[figure.where] = figure.text
    for (measure, _), rows in groups.items():
        places = list(dict.fromkeys(where for row in rows.values() for where in row))
        yield table((measure, *places), ((work, *(row.get(where, "") for where in places)) for work, row in rows.items()))
    if absent:
        yield f"Left out: {', '.join(absent)}."


def origins(results: Results) -> str:
    """Write where, when and with what each part was measured."""
    rows = []
    for name in PARTS:
        if found := results.get(name):
            versions = ", ".join(f"{package} {version}" for package, version in found["versions"].items())
            facts = (str(found[key]) for key in ("threads", "rounds", "page faults", "seconds"))
            rows.append((f"`{name}.py`", str(found["date"]), str(found["machine"]), versions, *facts))
    return table(("part", "date", "machine", "versions", "threads it may use", "rounds", "minor page faults", "seconds"), rows)


def measured(results: Results) -> str:
    """Write everything between the marks."""
    text = ["## Targets", targets(results), "## Measured beside them"]
    for name, title in PARTS.items():
        if tables := list(beside(figures(results, name))):
            text += [f"### {title}", *tables]
    return "\n\n".join([*text, "## Machine, versions, page faults", origins(results)])


def render(results: Results, page: str) -> str:
    """Put what was measured into the page; what people wrote stays."""
    first, last = MARKS
    new, found = re.subn(rf"(?s)({first}\n).*({last})", lambda match: f"{match[1]}\n{measured(results)}\n\n{match[2]}", page)
    if not found:
        raise ValueError(f"the page has lost its marks {first} and {last}")
    return new


def unexplained(results: Results, page: str) -> list[str]:
    """Name the targets that are missed and of which the page, outside of its tables, does not say why."""
    written = re.sub(rf"(?s){MARKS[0]}.*{MARKS[1]}", "", page)
    missed = dict.fromkeys(aim.value.work for aim, _, _, verdict in verdicts(results) if "missed" in verdict)
    return [work for work in missed if f"**{work}**" not in written]
