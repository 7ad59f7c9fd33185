"""Write the tables of docs/ODD.md, docs/notation.md and docs/reference/agents.md from the code: `python docs/build_odd.py`.
With `--check`, only report whether the tables match the code.

Parameters come from `abm.parameters`, state variables from the `Field` declarations of `abm.agents` and the records of
`abm.market.state`, rules from the methods of `abm.agents`, what they are passed from the records of `abm.market.phases`, the
schedule and the draws from the source of `abm.market.month` and `abm.market.phases`, inputs from `abm.scenarios.timeline` and
`abm.scenarios.events`, observables from `abm.market.measures`. Each table stands between two markers, and only the text
between them is replaced.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
SOURCES = DOCS.parent / "abm"
AGENTS = (
    "ChipVendor", "Owner", "Operator", "Programme", "Lab", "ClosedLab", "OpenLab",
    "Adopter", "Investor", "Regulator", "InfrastructureFirm",
)  # fmt: skip
RECORDS = ("Compute", "Exchange", "Accounts", "Flows", "Networks")

ELSEWHERE = ("engine", "validation")
"""Folders that are no part of the month: the engine, and published models that run on it."""

ROLES = {
    "vendors": "ChipVendor",
    "labs": "Lab",
    "adopters": "Adopter",
    "investors": "Investor",
    "regulators": "Regulator",
    "layers": "InfrastructureFirm",
}
"""Class of each group of the market, to tell which of two classes with the same rule is meant."""


# --- parameters, state variables, observables ---


def parameters() -> str:
    """Every parameter, in the order of the code."""
    from abm.parameters import Parameters
    from abm.support.axes import INSTRUMENTS

    rows = []
    for row in Parameters.table():
        name = f"`{row['name']}`" + (" †" if row["name"] in INSTRUMENTS else "")
        bounds = f"{row['low']:g} to {row['high']:g}"
        default = f"{row['default']:.10g}"
        rows.append([name, code(row["symbol"]), default, row["unit"], bounds, row["meaning"], row["source"]])
    head = ["parameter", "symbol", "default", "unit", "bounds", "meaning", "source"]
    return f"{len(rows)} parameters. † one value for all jurisdictions, or one per jurisdiction.\n\n{table(head, rows)}"


def agent_classes() -> Iterator[tuple[str, type, dict[str, Any]]]:
    """(name, class, fields added by the class), base classes first."""
    from abm import agents

    for name in AGENTS:
        kind = getattr(agents, name)
        inherited = {n for base in kind.__mro__[1:] if hasattr(base, "fields") for n in base.fields()}
        yield name, kind, {n: f for n, f in kind.fields().items() if n not in inherited}


def state() -> str:
    """State variables by class of agent (subclasses: only the added ones), then the records of the market."""
    parts = ["Every agent has `active`: true for an active agent, false for an empty slot.\n"]
    for name, kind, own in agent_classes():
        parts.append(f"**{name}.** {first_line(kind)}\n")
        if not own:
            parts.append(f"No state variables beyond those of {kind.__mro__[1].__name__}.\n")
            continue
        rows = [[f"`{n}`", code(f.symbol), axes(f), default_of(f), f.unit, f.meaning] for n, f in own.items()]
        parts.append(table(["variable", "symbol", "per", "default", "unit", "meaning"], rows) + "\n")
    for name in RECORDS:
        kind, rows = record(name)
        parts.append(f"**{name}.** {first_line(kind)}\n")
        parts.append(table(["variable", "per", "meaning and unit"], [[f"`{n}`", *row] for n, *row in rows]) + "\n")
    return "\n".join(parts).rstrip()


def record(name: str) -> tuple[type, list[list[str]]]:
    """A record of `abm.market.state`, and its attributes with their axes and the comments in its source."""
    from abm.market import state as module
    from abm.market.measures import MEASURES

    kind = getattr(module, name)
    rows = []
    for line in inspect.getsource(kind).splitlines():
        match = re.match(r"\s+(\w+): (?:Scalar|\w+\[Array, \" ?(.*)\"\])(?:\s+# (.*))?$", line)
        if match:
            attribute, along, comment = match.groups()
            if comment is None and attribute in MEASURES:  # described as an observable
                comment = MEASURES[attribute].meaning
            rows.append([attribute, (along or "").replace(" ", " × "), comment or ""])
    if [n for n, *_ in rows] != list(kind.names()):
        raise SystemExit(f"abm/market/state.py: every attribute of {name} must be on a line of its own")
    return kind, rows


def axes(declared: Any) -> str:
    """Axes of a field: `agent × tier`."""
    return " × ".join(("agent", *declared.shape))


def default_of(declared: Any) -> str:
    """Default of a field as text."""
    return str(declared.default).lower() if declared.dtype is bool else f"{declared.default:g}"


def observables() -> str:
    """The observables that a run reports each month."""
    from abm.market.measures import GROUPS, Measure

    parts = []
    for title, group in GROUPS.items():
        measures = {name: Measure(*row) for name, row in group.items()}
        rows = [[f"`{name}`", measure.unit, measure.meaning, span(measure.sane)] for name, measure in measures.items()]
        parts.append(f"**{title.capitalize()}**\n\n{table(['observable', 'unit', 'meaning', 'sane range'], rows)}")
    return "\n\n".join(parts)


def span(sane: tuple[float, float] | None) -> str:
    """A range as text: `0 to 1`."""
    return f"{sane[0]:g} to {sane[1]:g}" if sane else ""


# --- inputs ---


def inputs() -> str:
    """Kinds of event, the arrays that they change, and the instruments."""
    from abm.scenarios.events import KINDS, Event
    from abm.scenarios.timeline import Timeline
    from abm.support.axes import INSTRUMENTS

    common = set(Event.model_fields)
    rows = []
    for name, kind in KINDS.items():
        keys = ", ".join(f"`{key}`" for key in kind.model_fields if key not in common)
        rows.append([f"`{name}`", keys, first_line(kind)])
    parts = ["**Kinds of event**\n", table(["kind", "own keys", "meaning"], rows) + "\n"]

    meanings = attribute_docs(SOURCES / "scenarios" / "timeline.py", "Timeline")
    letters = {"M": "month", "R": "jurisdiction", "I": "instrument", "V": "vendor", "L": "lab"}
    letters |= {"D": "day", "Q": "question", "P": "programme"}
    rows = []
    for name, declared in Timeline.__dataclass_fields__.items():
        per = " × ".join(letters[letter] for letter in declared.metadata["axes"])
        rows.append([f"`{name}`", per, f"{declared.metadata['default']:g}", meanings.get(name, "")])
    parts += ["**Inputs of a month**\n", table(["input", "per", "default", "meaning"], rows) + "\n"]

    rows = [[f"`{name}`", f"{low:g} to {high:g}", unit] for name, (low, high, unit) in INSTRUMENTS.items()]
    parts += [
        "**Instruments**, with the range of values that an event may set\n",
        table(["instrument", "range", "unit"], rows),
    ]
    return "\n".join(parts)


def attribute_docs(path: Path, name: str) -> dict[str, str]:
    """Docstrings of the attributes of a class, by name."""
    body = next(n.body for n in syntax(path).body if isinstance(n, ast.ClassDef) and n.name == name)
    docs = {}
    for before, node in zip(body, body[1:], strict=False):
        if isinstance(before, ast.AnnAssign) and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            assert isinstance(before.target, ast.Name)
            docs[before.target.id] = " ".join(str(node.value.value).split())
    return docs


# --- initial values ---


def cast() -> str:
    """Starting values of the agents of the default cast at default parameters."""
    from abm.agents.lab import COMPLEMENT, HOSTING, METERED, OPEN_CORE, SUBSCRIPTION
    from abm.market.populations import Populations
    from abm.market.start import first_labs, first_vendors
    from abm.market.state import Values
    from abm.parameters import Parameters
    from abm.support.axes import GENERATIONS, OFFERS, QUESTIONS, STAGES, TIERS

    p, populations = Values(Parameters().values()), Populations()
    cast = populations.cast()
    sizes = {"tier": TIERS, "offer": OFFERS, "stage": STAGES, "question": len(QUESTIONS), "pair": 2}
    sizes |= {"vendor": len(cast.vendors), "generation": GENERATIONS, "lab": len(cast.labs)}
    vendors, labs = first_vendors(p, populations, sizes, cast), first_labs(p, populations, sizes, cast)

    shown = ("chip_price", "unit_cost", "capacity", "lock_in", "generation_age", "cash")
    rows = [
        [name, home, *(f"{float(getattr(vendors, column)[i]):.6g}" for column in shown)]
        for i, (name, home) in enumerate(zip(cast.vendors, cast.vendor_home, strict=True))
    ]
    parts = [table(["vendor", "home", *(f"`{column}`" for column in shown)], rows)]

    pay = {METERED: "API", SUBSCRIPTION: "subscription", HOSTING: "hosting"}
    pay |= {COMPLEMENT: "complement", OPEN_CORE: "open core"}
    rows = []
    for i, (name, home) in enumerate(zip(cast.labs, cast.lab_home, strict=True)):
        if not bool(labs.active[i]):
            rows.append([f"{name} (free slot)", home, *[""] * 6])
            continue
        numbers = [labs.capability[i, 0], labs.training[i], labs.own_share[i], labs.cash[i], labs.age[i, 0]]
        rows.append([name, home, pay[int(labs.monetisation[i])], *(f"{float(x):g}" for x in numbers)])
    of_lab = ("`capability`, flagship", "`training`", "`own_share`", "`cash`", "`age`, flagship")
    head = ["lab", "home", "monetisation", *of_lab]
    return "\n\n".join([*parts, table(head, rows)])


def starting_values() -> str:
    """Every starting value that is not a parameter, with its unit and source."""
    from abm.agents import lab
    from abm.market.starting_values import STARTING_VALUES

    kinds = {getattr(lab, name): name.lower().replace("_", " ") for name in ("METERED", "SUBSCRIPTION", "HOSTING")}
    kinds |= {getattr(lab, name): name.lower().replace("_", " ") for name in ("COMPLEMENT", "OPEN_CORE")}

    def words(number: Any, unit: str) -> str:
        return kinds[number] if unit == "kind" else f"{number:,g}"

    rows = []
    for name, start in STARTING_VALUES.items():
        several = start.value if isinstance(start.value, tuple) else (start.value,)
        numbers = "; ".join(words(number, start.unit) for number in several)
        beyond = "" if start.beyond is None else words(start.beyond, start.unit)
        rows.append([f"`{name}`", numbers, beyond, start.unit, start.meaning, start.source])
    return table(["starting value", "value", "of added agents", "unit", "meaning", "source"], rows)


# --- schedule and draws: read from the source ---


@cache
def syntax(path: Path) -> ast.Module:
    """Syntax tree of a source file."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def functions() -> dict[str, tuple[str, ast.FunctionDef]]:
    """Functions of the month by name: (module, definition)."""
    market = SOURCES / "market"
    files = [market / "month.py", market / "observables.py", *sorted((market / "phases").glob("*.py"))]
    definitions: dict[str, tuple[str, ast.FunctionDef]] = {}
    for path in files:
        for node in syntax(path).body:
            if isinstance(node, ast.FunctionDef):
                if node.name in definitions:
                    raise SystemExit(f"duplicate function name in the month: {node.name}; rename one")
                definitions[node.name] = (path.relative_to(SOURCES).with_suffix("").as_posix(), node)
    return definitions


def in_order(node: ast.AST) -> Iterator[ast.Call]:
    """Calls in order of evaluation; a function passed as an argument counts at the call that it is passed to."""
    local: dict[str, ast.AST] = {}

    def walk(node: ast.AST) -> Iterator[ast.Call]:
        if isinstance(node, ast.FunctionDef):
            local[node.name] = node
        elif isinstance(node, ast.Lambda):
            yield from walk(node.body)
        elif isinstance(node, ast.Name) and node.id in local:
            for statement in local.pop(node.id).body:  # type: ignore[attr-defined]
                yield from walk(statement)
        else:
            for child in ast.iter_child_nodes(node):
                yield from walk(child)
            if isinstance(node, ast.Call):
                yield node

    for statement in node.body:  # type: ignore[attr-defined]
        yield from walk(statement)


def phases() -> list[tuple[str, str]]:
    """(title, function) of the steps of a month: the scheduled phases, then the functions that observe."""
    from abm.market.month import PHASES

    scheduled = [
        (f"{number}. {title.capitalize()}", phase.__name__) for number, (title, phase) in enumerate(PHASES.items(), 1)
    ]
    observing = [called(call) for call in in_order(functions()["month"][1]) if called(call) in functions()]
    return scheduled + [
        (f"{len(scheduled) + 1}. Observe" if not index else "", name) for index, name in enumerate(observing)
    ]


def called(call: ast.Call) -> str:
    """Name of the function that is called, or an empty string."""
    return call.func.id if isinstance(call.func, ast.Name) else ""


def rules_of(name: str, seen: tuple[str, ...] = ()) -> Iterator[str]:
    """Rules of agents that a function of the month calls, in order: `Class.rule`."""
    for call in in_order(functions()[name][1]):
        if called(call) == "owners_do":
            yield "Owner." + ast.literal_eval(call.args[1])
        elif called(call) in functions() and called(call) not in (*seen, name):
            yield from rules_of(called(call), (*seen, name))
        elif isinstance(call.func, ast.Attribute) and call.func.attr in ("do", "ask") and call.args:
            rule = call.args[0]
            if isinstance(rule, ast.Constant):
                yield owner_of(str(rule.value), ast.unparse(call.func.value)) + "." + str(rule.value)


@cache
def owner_of(rule: str, receiver: str) -> str:
    """Class that defines a rule; if several do, the one that the receiver's name indicates."""
    owners = [name for name, kind, _ in agent_classes() if rule in vars(kind)]
    if set(owners) == {"ClosedLab", "OpenLab"}:
        return "Lab"
    if len(owners) > 1 and "Lab" in owners and set(owners) <= {"Lab", "ClosedLab", "OpenLab"}:
        return "Lab"
    if len(owners) > 1:
        owners = [o for word, o in ROLES.items() if o in owners and word in receiver]
    if len(owners) != 1:
        raise SystemExit(f"rule {rule!r} of {receiver!r}: cannot determine its class")
    return owners[0]


def schedule() -> str:
    """The month, phase by phase, with the rules of agents in the order of their calls."""
    from abm import agents

    rows, described = [], set()
    for title, phase in phases():
        where, definition = functions()[phase]
        rows.append([title, f"`{phase}` ({where}.py)", first_paragraph(ast.get_docstring(definition))])
        before = ""
        for rule in rules_of(phase):
            if rule == before:
                continue
            kind, method = rule.split(".")
            docstring = inspect.getdoc(getattr(getattr(agents, kind), method))
            rows.append(["", f"`{rule}`", "again" if rule in described else first_paragraph(docstring)])
            described.add(rule)
            before = rule
    return table(["phase", "function, and the agents' rules it calls", "what happens"], rows)


def draws() -> str:
    """All random draws: decision, distribution, shape, time; in the order of the month."""
    rows = []
    for path in sorted(SOURCES.rglob("*.py")):
        if path.relative_to(SOURCES).parts[0] in ELSEWHERE:
            continue
        for function in [n for n in ast.walk(syntax(path)) if isinstance(n, ast.FunctionDef)]:
            calls = [n for n in ast.walk(function) if isinstance(n, ast.Call)]
            for call in sorted(calls, key=lambda n: (n.lineno, n.col_offset)):
                if draw := drawn(call, function):
                    where = f"`{function.name}` ({path.relative_to(SOURCES).as_posix()})"
                    rows.append((function.name, [*draw, when_drawn(path, function), where]))
    order = {"start": 0, "month": 1, "day": 2}
    position = {name: index for index, name in enumerate(reached())}
    rows.sort(key=lambda row: (order[row[1][3]], position.get(row[0], 0)))
    return table(["decision", "distribution", "one per", "when", "where"], [row for _, row in rows])


def reached() -> list[str]:
    """Functions of the month in the order of their first call."""
    names: dict[str, None] = {}

    def follow(name: str) -> None:
        for call in in_order(functions()[name][1]):
            if called(call) in functions() and called(call) not in names:
                names[called(call)] = None
                follow(called(call))

    for _, phase in phases():
        names[phase] = None
        follow(phase)
    return list(names)


def drawn(node: ast.AST, function: ast.FunctionDef) -> list[str] | None:
    """Decision, distribution and shape of a call to `Draws`; None for any other call."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return None
    kind, receiver = node.func.attr, ast.unparse(node.func.value)
    if kind not in ("uniform", "normal", "market_normal") or not receiver.endswith("draws"):
        return None
    decision = ast.literal_eval(node.args[0])
    agents = ast.unparse(node.args[1])
    if kind == "market_normal":
        return [decision, "standard normal", {"1": "market", "DAYS": "trading day"}[agents]]
    if agents == "slots":
        agents = function.name.removeprefix("first_")
    if agents == "g":  # a comprehension over groups
        loop = next(n for n in ast.walk(function) if isinstance(n, ast.ListComp))
        groups = loop.generators[0].iter
        assert isinstance(groups, ast.Tuple)
        names = [ast.unparse(x).rsplit(".", 1)[-1] for x in groups.elts]
    else:
        names = [agents.rsplit(".", 1)[-1]]
    singular = {"infrastructure": "listed layer"}
    shape = " or ".join(singular.get(name, name.removesuffix("s")) for name in names)
    if len(node.args) > 2:
        axes = ast.unparse(node.args[2])
        shape += " × " + {"(TIERS,)": "tier", "(len(QUESTIONS),)": "question", "(labs.size,)": "lab"}.get(axes, axes)
    return [decision, {"uniform": "uniform (0, 1)", "normal": "standard normal"}[kind], shape]


def when_drawn(path: Path, function: ast.FunctionDef) -> str:
    """When a function draws: at the start, once a month, or once a day."""
    if path.name == "start.py":
        return "start"
    return "day" if function.args.args[0].arg == "draws" else "month"


# --- notation ---


def symbols() -> str:
    """Symbols of the equations with their names in the code."""
    return table(["symbol", "name", "kind", "unit", "meaning"], [[code(s), *rest] for s, *rest in symbol_rows()])


def symbol_rows() -> list[list[str]]:
    """(symbol, name in the code, kind, unit, meaning), in alphabetical order."""
    from abm.parameters import Parameters

    rows = [
        [row["symbol"], f"`{row['name']}`", "parameter", row["unit"], row["meaning"]]
        for row in Parameters.table()
        if row["symbol"]
    ]
    for name, _, own in agent_classes():
        rows += [[f.symbol, f"`{name}.{n}`", "state", f.unit, f.meaning] for n, f in own.items() if f.symbol]
    ambiguous = sorted({row[0] for row in rows if sum(row[0] == other[0] for other in rows) > 1})
    if ambiguous:
        raise SystemExit(f"symbols with two meanings: {', '.join(ambiguous)}; rename one of each")
    return sorted(rows, key=lambda row: (row[0].lower(), row[0]))


# --- rules ---

PASSED = {
    "assets": "Assets",
    "books": "Books",
    "case": "Case",
    "delivery": "Delivery",
    "offer": "Offer",
    "outlook": "Outlook",
    "pressure": "Pressure",
    "releases": "Releases",
    "reply": "Reply",
    "seen": "Leads",
    "products": "Products",
    "teaching": "Teaching",
    "threat": "Threat",
    "workplace": "Workplace",
    "site": "Site",
    ("Programme", "news"): "Announcement",
    ("Lab", "news"): "ReleaseNews",
    ("Investor", "news"): "PublicNews",
}
"""Records that rules are passed, by the name of the argument, or by class and name."""

IN_PHASE = {"Offer": "tokens"}
"""Phase of a record whose name another phase uses too."""


def rules() -> str:
    """The rules of every class of agent, with what they are passed, then the records among these."""
    parts, records = [], []
    for name, kind, _ in agent_classes():
        rows = []
        for rule, method in vars(kind).items():
            arguments = list(inspect.signature(method).parameters) if inspect.isfunction(method) else []
            if arguments[1:2] != ["p"]:
                continue
            passed = []
            for argument in arguments[2:]:
                taken = PASSED.get((name, argument)) or PASSED.get(argument)
                records += [taken] if taken and taken not in records else []
                passed.append(f"`{argument}`" + (f" ([{taken}](#{taken.lower()}))" if taken else ""))
            rows.append([f"`{rule}`", ", ".join(passed), first_paragraph(inspect.getdoc(method))])
        parts.append(f"**{name}** (`{kind.__module__.replace('.', '/')}.py`). {first_line(kind)}")
        parts.append(table(["rule", "passed", "what it does"], rows))
    return "\n\n".join([*parts, WHAT_IS_PASSED, *map(passed_record, records)])


WHAT_IS_PASSED = """## What a rule is passed

Besides the parameters `p`, a rule is passed numbers, or a record of what an agent in its place can know. A record with a row per
owner (K,), per programme (P,), per lab (L,), per lab and tier (L, T) or per regulator (R,) shows a rule only its own row;
products, assets and public news are the same for all."""


def passed_record(name: str) -> str:
    """A record of `abm.market.phases`: what it is, and its entries with the comments in its source."""
    paths = sorted((SOURCES / "market" / "phases").glob("*.py"))
    nodes = [(path, node) for path in paths for node in syntax(path).body if isinstance(node, ast.ClassDef)]
    path, node = next((p, n) for p, n in nodes if n.name == name and IN_PHASE.get(name, p.stem) == p.stem)
    source = path.read_text(encoding="utf-8").splitlines()[node.lineno : node.end_lineno]
    entries = [match.groups() for line in source if (match := re.match(r"    (\w+): [^#]+?(?:  # (.*))?$", line))]
    about = " ".join((ast.get_docstring(node) or "").split())
    listed = ", ".join(f"`{entry}`" for entry, _ in entries) + "."
    if any(comment for _, comment in entries):
        listed = table(["entry", "meaning, unit"], [[f"`{entry}`", comment or ""] for entry, comment in entries])
    return f"### {name}\n\n{about} (`abm/market/phases/{path.name}`)\n\n{listed}"


# --- writing ---


def first_line(kind: type) -> str:
    """First line of a class's docstring."""
    return (kind.__doc__ or "").strip().splitlines()[0]


def first_paragraph(text: str | None) -> str:
    """First paragraph of a docstring on one line, without its full stop."""
    return " ".join((text or "").split("\n\n")[0].split()).rstrip(".")


def code(symbol: str) -> str:
    """Text in backticks, or an empty string."""
    return f"`{symbol}`" if symbol else ""


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


PAGES: dict[str, dict[str, Callable[[], str]]] = {
    "ODD.md": {
        "state": state,
        "parameters": parameters,
        "schedule": schedule,
        "draws": draws,
        "observables": observables,
        "cast": cast,
        "starting_values": starting_values,
        "inputs": inputs,
    },
    "notation.md": {"symbols": symbols},
    "reference/agents.md": {"rules": rules},
}


def written(page: str, text: str) -> str:
    """The text of a page with its tables rebuilt."""
    for name, build in PAGES[page].items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise SystemExit(f"{page}: must contain the markers {begin} and {end} exactly once")
        body = f"{begin}\n<!-- written by docs/build_odd.py; do not edit between the markers -->\n\n{build()}\n\n{end}"
        text = re.sub(re.escape(begin) + ".*?" + re.escape(end), lambda _, body=body: body, text, flags=re.DOTALL)
    return text


def main() -> None:
    for page in PAGES:
        path = DOCS / page
        old = path.read_text(encoding="utf-8")
        new = written(page, old)
        if "--check" in sys.argv[1:]:
            if new != old:
                raise SystemExit(f"{path} does not match the code: run python docs/build_odd.py")
            continue
        path.write_text(new, encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
