"""V6, V15: evolving industries, and lock-in of markets."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from abm.validation.comparison import mean_and_error
from abm.validation.ladder import Check, above, check, rung
from abm.validation.models import arthur, nelson_winter

NAMES = {
    "equivalents": "Herfindahl equivalents",
    "innovator_share": "innovators' share of output",
    "price": "price",
    "best_practice": "best productivity",
    "average_productivity": "average productivity",
}
BY_FIRMS: dict[str, dict[float, float]] = {
    "equivalents": {2: 1.99, 4: 3.61, 8: 5.47, 16: 6.61, 32: 6.67},
    "innovator_share": {2: 0.515, 4: 0.610, 8: 0.633, 16: 0.500, 32: 0.379},
    "average_productivity": {2: 0.436, 32: 0.374},
    "best_practice": {2: 0.444, 32: 0.434},
}
BY_EASE: dict[str, dict[float, float]] = {
    "equivalents": {0: 3.65, 0.25: 3.90, 1.25: 5.45, 5: 6.54, 25: 6.68},
    "innovator_share": {0: 0.984, 0.25: 0.937, 1.25: 0.645, 5: 0.281, 25: 0.278},
    "price": {0: 0.448, 0.25: 0.444, 1.25: 0.431, 5: 0.423, 25: 0.414},
    "best_practice": {0: 0.453, 0.25: 0.452, 1.25: 0.446, 5: 0.432, 25: 0.433},
}


@rung("V6", "Schumpeterian competition", "Nelson & Winter (1982), ch. 12; an independent replication of 400 runs")
def schumpeterian_competition() -> Iterator[Check]:
    """Half of the firms innovate and all imitate; quarter 101 of 400 industries, by number of firms and, for 8
    firms, by ease of copying. Targets are those of an independent replication, to the digits it reports: the book's
    own tables were not available. The signs are the book's qualitative claims."""
    by_firms: dict[float, Any] = {firms: nelson_winter.run(firms) for firms in nelson_winter.FIRMS}
    by_ease: dict[float, Any] = {ease: nelson_winter.run(8, ease) for ease in BY_EASE["equivalents"]}
    for runs, targets, setting in ((by_firms, BY_FIRMS, "{:g} firms"), (by_ease, BY_EASE, "a_m = {:g}")):
        for what, by_setting in targets.items():
            rounding = 0.005 if what == "equivalents" else 0.0005
            for value, target in by_setting.items():
                mean, error = mean_and_error(runs[value][what][:, -1])
                name = f"{NAMES[what]}, {setting.format(value)}"
                yield check(name, mean, target, standard_error=error, rounding=rounding)

    def last(runs: Any, what: str) -> float:
        return runs[what][:, -1].mean()

    def lead(runs: Any) -> float:
        return last(runs, "best_practice") - last(runs, "average_productivity")

    firms = {what: [last(by_firms[n], what) for n in by_firms] for what in ("equivalents", "innovator_share")}
    per_equivalent = [n / equal for n, equal in zip(by_firms, firms["equivalents"], strict=True)]
    ease = {what: [last(by_ease[a], what) for a in by_ease] for what in NAMES}
    yield above("sign: firms per Herfindahl equivalent rise with the number of firms", min(np.diff(per_equivalent)), 0)
    yield above(
        "sign: innovators' share of output falls from 8 firms upwards", min(-np.diff(firms["innovator_share"][2:])), 0
    )
    yield above(
        "sign: average productivity lags the best by more with 32 firms than with 2",
        lead(by_firms[32]) - lead(by_firms[2]),
        0,
    )
    yield above(
        "sign: Herfindahl equivalents rise with every step in ease of copying", min(np.diff(ease["equivalents"])), 0
    )
    for what in ("innovator_share", "price", "best_practice"):
        yield above(f"sign: {NAMES[what]} falls, a_m from 0 to 25", ease[what][0] - ease[what][-1], 0)


@rung("V15", "Lock-in by small events", "Arthur (1989); Arthur, Ermoliev & Kaniovski (1987); Feller (1968), ch. XIV")
def lock_in() -> Iterator[Check]:
    """Adopters with two kinds of tastes arrive in random order and follow the crowd once a technology leads by
    enough: a fair random walk between barriers. Without tastes this is Polya's urn: the limit of the share is
    uniformly distributed. 4,000 markets each."""
    for below, upper in ((10, 10), (5, 15)):
        markets, expected = arthur.run(below, upper), arthur.ruin(below, upper)
        chance = below / (below + upper)
        where = f"barriers -{below}, +{upper}"
        locked, runs = (markets["side"] == 1).mean(), markets["side"].size
        error = (chance * (1 - chance) / runs) ** 0.5
        yield check(f"{where}: share locked in at the upper barrier", locked, chance, standard_error=error)
        error = expected["steps_sd"] / runs**0.5
        yield check(f"{where}: adopters until lock-in", markets["steps"].mean(), below * upper, standard_error=error)
    urns = arthur.run(kind=arthur.Follower, adopters=2_000)
    share = arthur.share_of_a(urns["lead"])[:, -1]
    for level in (0.1, 0.25, 0.5, 0.75, 0.9):
        error = (level * (1 - level) / share.size) ** 0.5
        yield check(f"urn: probability of a share below {level:g}", (share < level).mean(), level, standard_error=error)
    mean, error = mean_and_error((share - 0.5) ** 2)
    yield check("urn: variance of the share", mean, 1 / 12, standard_error=error)
