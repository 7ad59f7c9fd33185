"""What the R1 job found, in sentences whose numbers are computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from abm.charts.labels import LAYERS, MECHANISMS, PRICING_POWER
from abm.experiments.html import number
from abm.experiments.r1.sentences import Findings, direction, in_percent, listed
from abm.figures.chips import jevons_terms
from abm.figures.crash import TOGETHER, only_raw
from abm.runs import event_study

if TYPE_CHECKING:
    import pandas as pd

    from abm.runs.results import Ensemble

EROSION_IS_UP = ("contestable_share",)
"""Members of the family whose rise means less pricing power."""
IN_TEXT = {
    "lerner_closed": "the closed labs' Lerner index",
    "lerner_basket": "the Lerner index on the pre-shock basket of customers",
    "closed_premium": "the closed price premium over equal open models",
    "contestable_share": "the contestable share of spending",
    "closed_profit": "closed profit",
    "closed_profit_per_training": "closed profit per $ of training",
}


@dataclass
class Narrative:
    """The sentences by topic, and the numbers in them."""

    power: list[str]
    crash: list[str]
    chips: list[str]
    minds: list[str]
    misses: list[str]
    numbers: pd.DataFrame


def tell(
    runs: dict[str, Ensemble],
    paired: pd.DataFrame,
    day0: pd.DataFrame,
    ranks: pd.DataFrame,
    window: pd.DataFrame,
    targets: pd.DataFrame | None,
) -> Narrative:
    """All sentences; see `r1_report` for the tables they are made of."""
    said = Findings()
    rows = paired.set_index(["comparison", "observable", "year"])
    power = _power(said, rows)
    crash = _crash(said, runs["baseline"], day0, ranks, window)
    chips = _chips(said, rows, runs)
    minds = _minds(said, rows)
    misses = _misses(said, window, targets)
    return Narrative(power, crash, chips, minds, misses, said.table())


def _power(said: Findings, rows: pd.DataFrame) -> list[str]:
    years = [year for year in ("2025", "2027") if ("no_r1", PRICING_POWER[0], year) in rows.index]
    sentences = []
    for year in years:
        lost: list[str] = []
        gained: list[str] = []
        unclear: list[str] = []
        for name in PRICING_POWER:
            way = direction(rows.loc[("no_r1", name, year)])
            way = -way if name in EROSION_IS_UP else way
            (gained if way > 0 else lost if way < 0 else unclear).append(IN_TEXT[name])
        verdict = "weakened" if lost and not gained else "strengthened" if gained and not lost else "cut both ways for"
        if not lost and not gained:
            verdict = "left no clear mark on"
        first = (
            f"In {year} R1 {verdict} the closed labs' pricing power: of its six measures"
            f" {said.count(f'measures weaker {year}', len(lost))} came out weaker,"
            f" {said.count(f'measures stronger {year}', len(gained))} stronger and"
            f" {said.count(f'measures unclear {year}', len(unclear))} without a clear change."
        )
        parts = [first]
        if lost and len(lost) < len(PRICING_POWER):
            parts.append(f"Weaker by {listed(lost)}.")
        if gained and len(gained) < len(PRICING_POWER):
            parts.append(f"Stronger by {listed(gained)}.")
        sentences.append(" ".join(parts))
    year = years[0] if years else ""
    if years:
        lerner = said.change("lerner_closed points", rows.loc[("no_r1", "lerner_closed", year)], "points", 100)
        premium = said.percent("closed_premium", rows.loc[("no_r1", "closed_premium", year)])
        contest = said.change("contestable points", rows.loc[("no_r1", "contestable_share", year)], "points", 100)
        profit = said.change("closed_profit", rows.loc[("no_r1", "closed_profit", year)], "$ M a month", digits=3)
        sentences.append(
            f"Effect in {year}, with R1 less without, mean and 95 % interval: Lerner index {lerner}, ratio"
            f" of prices to those of equal open models {premium}, contestable share of spending {contest}, closed profit"
            f" {profit}."
        )
        cheapest = "the price of the cheapest model of about R1's class (3 nats)"
        price = said.moved("price_at_k3", in_percent(rows.loc[("no_r1", "price_at_k3", year)]), what=cheapest)
        dearest = "the list price of the frontier model"
        frontier = said.moved("frontier_price", in_percent(rows.loc[("no_r1", "frontier_price", year)]), what=dearest)
        row = rows.loc[("no_r1", "open_token_share", year)]
        share = said.moved("open_token_share points", row, "points", 100, what="the open share of tokens")
        sentences.append(f"In {year} R1 {price}, {frontier} and {share}.")
    return sentences


def _crash(
    said: Findings, baseline: Ensemble, day0: pd.DataFrame, ranks: pd.DataFrame, window: pd.DataFrame
) -> list[str]:
    at = day0.set_index(["mechanism", "layer"])
    parts = []
    for layer, name in LAYERS.items():
        model, seen = at.loc[(TOGETHER, layer)], at.loc[("observed", layer)]
        own = said.say(f"day 0 {layer}, model", 100 * model["mean"], "%", signed=True)
        low, high = (said.say(f"day 0 {layer}, model {q}", 100 * model[q], signed=True) for q in ("q05", "q95"))
        real = said.say(f"day 0 {layer}, observed", 100 * seen["mean"], "%", signed=True)
        kind = ", a raw return" if layer in only_raw() else ""
        parts.append(f"{name.lower()} {own} (90 % of runs {low} to {high}; observed {real}{kind})")
    good = ranks.set_index("mechanism")
    together = good.loc[TOGETHER]
    right = said.count("signs right, together", together["signs_right"])
    first = (
        f"On 27 January 2025 the model's abnormal returns are, by layer: {'; '.join(parts)}. With all four mechanisms"
        f" {right} of {said.count('layers', together['layers'])} layers have the sign that was observed."
    )
    alone = [name for name in MECHANISMS if name in good.index]
    complete = [MECHANISMS[name] for name in alone if good.loc[name, "signs_right"] == good.loc[name, "layers"]]
    biggest = min(alone, key=lambda name: at.loc[(name, "compute"), "mean"])
    alone_most = {"difference": at.loc[(biggest, "compute"), "mean"]}
    fall = said.moved("largest fall of chips by one mechanism", alone_most, scale=100)
    total = said.say(
        "four alone, chips, summed", 100 * sum(at.loc[(n, "compute"), "mean"] for n in alone), "%", signed=True
    )
    second = (
        f"The whole pattern of signs comes out with {listed(complete) if complete else 'none of the mechanisms'}"
        f" alone. Of the four alone {MECHANISMS[biggest]} does most against chips, which {fall}; what chips do under"
        f" each adds up to {total}."
    )
    if 100 * at.loc[(TOGETHER, "compute"), "mean"] < 1.2 * 100 * sum(at.loc[(n, "compute"), "mean"] for n in alone):
        second += " Together the four do more than that."
    seen0 = at.loc[("observed", "compute"), "mean"]
    around, day = event_study.around(baseline), -event_study.WINDOW[0]
    values = around.abnormal["compute"][:, day]
    model_leader = {"difference": around.abnormal["leader"][:, day].mean()}
    leader = said.moved("day 0 leading vendor, model", model_leader, scale=100)
    seen_leader = _nvidia()
    nvidia = said.moved("day 0 leading vendor, observed", {"difference": seen_leader["abnormal"]}, scale=100)
    raw = said.say("day 0 leading vendor, observed raw", 100 * seen_leader["raw"], "%", signed=True)
    as_bad = said.say("share of runs with chips as low as observed", 100 * float((values <= seen0).mean()), "%")
    cumulated = window[(window["layer"] == "compute") & (window["measure"] == "cumulative_abnormal")].set_index("day")
    model = said.say("chips day 0 to 9, model", 100 * cumulated.loc[9, "q50"], "%", signed=True)
    real = said.say("chips day 0 to 9, observed", 100 * cumulated.loc[9, "observed"], "%", signed=True)
    third = (
        f"The leading vendor alone {leader} in the model, and NVIDIA {nvidia}: abnormal returns, net of what the market"
        f" model expects (NVIDIA's raw return was {raw}). In {as_bad} of runs chips fall at least as far on the day as they"
        f" did. Over ten days (0 to 9) the model's median for chips is {model}, observed {real}."
    )
    return [first, second, third]


def _nvidia() -> pd.Series:
    """Its row of day 0, with its raw and its abnormal return."""
    single = event_study.tickers()
    return single[(single["ticker"] == "NVDA") & (single["day"] == 0)].iloc[0]


def _chips(said: Findings, rows: pd.DataFrame, runs: dict[str, Ensemble]) -> list[str]:
    terms = jevons_terms(runs["baseline"], runs["no_r1"])
    last = min(36, runs["baseline"].setup.months)
    year = {name: _interval(values[:, 24:last].mean(1)) for name, values in terms.items()}
    named = {
        "work": "the tokens demanded",
        "efficiency": "the compute that a token takes",
        "serving": "the compute that serves tokens",
    }
    work, saved, serving = (
        said.moved(f"{name} 2025", in_percent(year[name]), what=what) for name, what in named.items()
    )
    way = direction(year["serving"])
    verdict = {
        1: "use grew by more than each token saved (Jevons)",
        -1: "each token saved more than use grew (no Jevons)",
        0: "use and saving about offset each other",
    }[way]
    first = f"Serving tokens in 2025: R1 {work}, {saved}, and so {serving}: {verdict}."
    if year["efficiency"]["high"] < 0:
        ratio = {"difference": -year["work"]["difference"] / year["efficiency"]["difference"]}
        rebound = said.moved("rebound", ratio, "log points")
        first += f" For each log point of compute saved on a token, use {rebound}."
    early = _interval(terms["chip_orders"][:, 25 : min(28, last)].mean(1))
    orders = said.moved("chip orders, first quarter after", in_percent(early), what="orders for chips")
    sentences = [first]
    later = [y for y in ("2025", "2026", "2027") if ("no_r1", "chip_orders", y) in rows.index]

    def effect(key: str, comparison: str, observable: str, year: str, what: str) -> str:
        return said.moved(key, in_percent(rows.loc[(comparison, observable, year)]), what=what)

    by_year = [f"{effect(f'chip orders {y}', 'no_r1', 'chip_orders', y, 'them')} in {y}" for y in later]
    end = later[-1]
    installed = effect(f"compute installed {end}", "no_r1", "compute_installed", end, "compute installed")
    revenue = effect(f"chip revenue {end}", "no_r1", "chip_revenue", end, "the vendors' revenue")
    sentences.append(
        f"R1 {orders} in the quarter after the crash, and {listed(by_year)}; in {end} it {installed} and {revenue}."
    )
    if ("no_stargate", "chip_orders", end) in rows.index:
        stargate = effect("Stargate on installed", "no_stargate", "compute_installed", end, "compute installed")
        revenue = effect("Stargate on revenue", "no_stargate", "chip_revenue", end, "the vendors' revenue")
        sentences.append(f"In {end} Stargate, announced a day after R1, {stargate} and {revenue}.")
    return sentences


def _interval(values: np.ndarray) -> dict[str, Any]:
    from scipy.special import stdtrit

    n = values.size
    half = float(stdtrit(n - 1, 0.975)) * values.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    mean = float(values.mean())
    return {"difference": mean, "low": mean - half, "high": mean + half}


def _minds(said: Findings, rows: pd.DataFrame) -> list[str]:
    row, entropy = rows.loc[("no_r1", "belief_dispersion", "2025")], rows.loc[("no_r1", "winner_entropy", "2025")]
    words = {1: "further apart", -1: "closer together", 0: "about as far apart as without it"}
    change = said.change("belief dispersion 2025", row, "nats")
    open_questions = said.change("entropy 2025", entropy, "nats")
    apart = words[direction(row)]
    return [f"In 2025 R1 left investors {apart}: dispersion {change}, entropy of the open questions {open_questions}."]


def _misses(said: Findings, window: pd.DataFrame, targets: pd.DataFrame | None) -> list[str]:
    sentences = []
    if targets is not None:
        missed = targets[~targets["within"].astype(bool)]
        within = said.count("targets within bounds", len(targets) - len(missed))
        names = [f"{row.description} ({_found(row)})" for row in missed.itertuples()]
        total = said.count("targets", len(targets))
        text = f"{within} of {total} calibration targets are within their bounds on these runs."
        sentences.append(text + (f" Missed: {'; '.join(names)}." if names else ""))
    days = window[(window["measure"] == "abnormal") & window["day"].between(0, 20) & window["observed"].notna()]
    inside = ((days["observed"] >= days["q05"]) & (days["observed"] <= days["q95"])).mean()
    sentences.append(
        f"{said.say('layer-days inside the 90 % band', 100 * inside, '%')} of the observed layer returns of days"
        " 0 to 20 lie inside the band of 90 % of runs (as many would be expected)."
    )
    day0 = days[days["day"] == 0]
    outside = [LAYERS[row.layer].lower() for row in day0.itertuples() if not row.q05 <= row.observed <= row.q95]
    if outside:
        sentences.append(
            f"On the day of the crash itself the observed return is outside that band for {listed(outside)}."
        )
    return sentences


def _found(row: Any) -> str:
    return f"model {number(float(row.model))}, bounds {number(float(row.low))} to {number(float(row.high))}"
