"""The first market of a run: the starting values of all agents and records."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt32

from abm.agents import Adopter, InfrastructureFirm, Investor, OpenLab
from abm.agents.adopter import CONSUMER, DEVELOPER, ENTERPRISE
from abm.engine import Draws, Group, Population, without_weak_types
from abm.market.phases.common import usual_noise_of
from abm.market.populations import Populations
from abm.market.start_of_machines import first_compute, first_machines
from abm.market.starting_values import offset_of, value_of, values_of
from abm.market.state import Accounts, Exchange, Flows, Market, Networks, Values
from abm.mechanisms import enforcement, use
from abm.scenarios.timeline import Cast
from abm.support.axes import (
    DAYS,
    GENERATIONS,
    INSTRUMENTS,
    OFFERS,
    QUESTIONS,
    STAGES,
    SUBSCRIPTION_OFFER,
    TIERS,
)  # fmt: skip
from abm.support.shapes import AnyArray

LONGEST_LAG = 48  # months
HISTORY = 12  # months of past capability that are stored, the longest access delay


def first_market(
    p: Values,
    seed: int | UInt32[AnyArray, " 2"],
    populations: Populations,
    networks: Networks,
    cast: Cast,
    segments: Mapping[str, Any] = MappingProxyType({}),
) -> Market:
    """The market just before January 2023. `seed` and `p` may be traced; the other arguments determine shapes.

    `segments` are columns of adopters that the user gave (`Populations.own_segments`).
    """
    draws = Draws.from_seed(seed).at(1_000_003)  # a period beyond all months of a run
    labs = len(cast.labs)
    sizes = {
        "tier": TIERS,
        "stage": STAGES,
        "question": len(QUESTIONS),
        "pair": 2,
        "offer": OFFERS,
        "vendor": len(cast.vendors),
        "generation": GENERATIONS,
        "lab": labs,
    }
    sizes["asset"] = len(cast.vendors) + labs + 3
    vendors, lab_group = first_vendors(p, populations, sizes, cast), first_labs(p, populations, sizes, cast)
    operators, lab_group, vendors = first_machines(vendors, lab_group, p, populations, sizes)
    investors = first_investors(p, draws, populations, sizes)
    layers = Group(
        Population.create(
            InfrastructureFirm,
            3,
            layer=jnp.arange(3),
            revenue=jnp.array(value_of("layer_revenue")),
            other_income=jnp.array(value_of("layer_other_income")),
            profit=jnp.array(value_of("layer_other_income")),
        )
    )
    zero = jnp.zeros(())
    accounts = Accounts(
        capability_history=jnp.broadcast_to(lab_group.capability[:, 0], (HISTORY, labs)),
        closed_path=jnp.full(LONGEST_LAG, -jnp.inf),
        market_growth=value_of("market_growth") * jnp.ones(()),
        market_size=value_of("market_size") * jnp.ones(()),
        rulings=jnp.stack([p.ip_strength, enforcement.ruling_sd(p.ip_strength, p.ip_clarity, p) ** 2], axis=-1),
        nash=jnp.zeros((labs, OFFERS, 2)),
        incidents=jnp.zeros(labs),
        vintage=jnp.zeros((labs, 3)),
        rent_life=jnp.zeros(2),
        contestable_share=zero, detections=zero, suits_lost=zero, entries=zero, exits=zero,
        chip_demand=zero, deliveries=zero, retired=zero,
        serving_efficiency=zero,
        release_surprise=jnp.zeros(labs),
        basket=jnp.zeros(populations.adopters),
    )  # fmt: skip
    flows = Flows(**dict.fromkeys(Flows.names(), zero))
    market = Market(
        vendors=vendors,
        labs=lab_group,
        adopters=first_adopters(p, draws, populations, sizes, lab_group, segments),
        investors=investors.replace(holdings=investors.wealth[:, None] * jnp.ones(sizes["asset"])),
        regulators=populations.group(
            "regulators",
            sizes,
            {"home": jnp.arange(4), "announced": p.ip_strength} | {name: getattr(p, name) for name in INSTRUMENTS},
        ),
        infrastructure=layers,
        operators=operators,
        programmes=populations.group("programmes", sizes, {}),
        compute=first_compute(vendors, operators, lab_group, p),
        exchange=first_exchange(vendors, lab_group, layers, p),
        accounts=accounts,
        flows=flows,
        networks=networks,
        month=jnp.zeros((), int),
    )
    return without_weak_types(market)


def first_exchange(vendors: Group, labs: Group, layers: Group, p: Values) -> Exchange:
    """Prices equal to values; investors hold everything."""
    assets = vendors.size + labs.size + layers.size
    chips = p.multiple_chips * 12 * p.chip_price_start * vendors.capacity
    lab = jnp.where(
        labs.active,
        p.lab_option_multiple
        * 12
        * value_of("market_size")
        * jnp.exp(p.lab_option_slope * jnp.minimum(labs.capability[:, 0], 0.0))
        + labs.cash,
        1.0,
    )
    base = jnp.log(jnp.concatenate([chips, lab, 12 * p.multiple_layers * layers.profit]))
    return Exchange(
        log_price=base, base=base, target_base=base,
        shares=jnp.ones(assets), position=jnp.ones(assets), momentum=jnp.zeros(assets),
        variance=usual_noise_of(assets, layers, p) ** 2,
        dealer_cash=jnp.zeros(()), signal=jnp.zeros(len(QUESTIONS)), precision=jnp.zeros(len(QUESTIONS)), claims=jnp.zeros(2),
        salience=jnp.zeros(()), daily_returns=jnp.zeros((DAYS, assets)),
    )  # fmt: skip


def homes(luck: Float[Array, " agents"], shares: tuple[float, ...]) -> Int[Array, " agents"]:
    """Draw home jurisdictions from uniform `luck`, with the given shares of the world's users or wealth."""
    return jnp.searchsorted(jnp.cumsum(jnp.array(shares[:-1])), luck).astype(int)


def mean_one(name: str, luck: Float[Array, " agents"]) -> Float[Array, " agents"]:
    """Lognormal variables of mean one from standard normal `luck`; `name` is that of the standard deviation."""
    return jnp.exp(value_of(name) * luck - offset_of(name))


def each(name: str, size: int) -> Float[np.ndarray, " agents"]:
    """Starting values of agents of one kind."""
    return np.array(values_of(name, size), dtype=float)


def first_vendors(p: Values, populations: Populations, sizes: dict[str, int], cast: Cast) -> Group:
    n = populations.vendors
    share = each("vendor_capacity", n)
    cost = each("vendor_cost", n)
    lock_in = jnp.asarray(each("vendor_software", n)) * p.leader_lock_in + each("vendor_lock_in", n)
    home = np.array([cast.jurisdictions.index(h) for h in cast.vendor_home])
    unit_cost = p.chip_cost_start * cost
    capacity = p.capacity_start * share
    made = value_of("vendor_output") * capacity
    return populations.group(
        "vendors",
        sizes,
        {
            "home": home,
            "merchant": each("vendor_merchant", n) > 0,
            "tools": each("vendor_tools", n),
            "chip_price": p.chip_price_start * each("vendor_price", n),
            "launch_price": p.chip_price_start * each("vendor_price", n),
            "unit_cost": unit_cost,
            "base_cost": unit_cost,
            "capacity": capacity,
            "orders": capacity,
            "expansion": capacity[:, None] * jnp.array(value_of("vendor_expansion")),
            "generation_output": made,
            "experience": made,
            "lock_in": lock_in,
            "revenue": p.chip_price_start * capacity,
            "generation_age": each("vendor_generation_age", n),
            "cash": jnp.asarray(share) * value_of("vendor_cash"),
        },
    )


def first_labs(p: Values, populations: Populations, sizes: dict[str, int], cast: Cast) -> Group:
    n_closed, n_open, free = populations.closed_labs, populations.open_labs, populations.entrants
    cast_size = n_closed + n_open + free
    home = np.array([cast.jurisdictions.index(h) for h in cast.lab_home])
    common = jnp.round(p.closed_monetisation).astype(int)
    closed: dict[str, Any] = _lab_columns("closed", n_closed) | {"home": home[:n_closed]}
    closed["monetisation"] = jnp.where(common < 0, closed["monetisation"], common)
    opened: dict[str, Any] = _lab_columns("open", n_open) | {"home": home[n_closed:]}
    if free:
        opened = {
            k: np.concatenate([v[:n_open], np.full(free, -1 if k == "provider" else 0, v.dtype)]) if k != "home" else v
            for k, v in opened.items()
        }

    def columns(given: dict[str, Any], is_open: bool, inactive: int) -> dict[str, AnyArray]:
        flagship = given["capability"]
        size = flagship.size
        steps = jnp.stack([0.0 * p.tier_size_step, p.tier_size_step])
        model_size = value_of("lab_model_size") * flagship[:, None] - steps[None, :]
        cost = p.token_cost_start * jnp.exp(model_size)
        cost = jnp.concatenate([cost, cost[:, :1]], axis=1)
        markup = value_of("open_markup" if is_open else "closed_markup")
        active = np.arange(size) < size - inactive
        run = value_of("lab_run") * given["training"]
        rent = (0.0 if is_open else (1 - 1 / markup) / max(n_closed, 1)) * jnp.ones(size)
        return given | {
            "active": active,
            "capability": flagship[:, None] - jnp.stack([0.0 * p.tier_step, p.tier_step]),
            "untaught": flagship,
            "own_best": flagship,
            "own_cost": np.where(active, value_of("lab_claimed_cost") * np.exp(flagship), 0.0),
            "base_cost": np.where(active, value_of("lab_claimed_cost") * np.exp(flagship), 0.0),
            "efficiency": value_of("lab_efficiency") * flagship,
            "run_compute": run,
            "run_cost": run * p.rental_price_start,
            "claimed_cost": np.where(active, value_of("lab_claimed_cost") * np.exp(flagship), 0.0),
            "model_size": model_size,
            "price": (cost * markup).at[:, SUBSCRIPTION_OFFER].set(value_of("subscription_fee") / p.subscriber_tokens),
            "token_cost": cost,
            "nash_markup": np.full((size, OFFERS), np.log(markup)),
            "hosted": flagship[:, None] - jnp.stack([0.0 * p.tier_step, p.tier_step]),
            "licence": np.full(size, value_of("open_licence") if is_open else 0.0),
            "first_party_share": (p.first_party_share if is_open else 1.0) * jnp.ones(size),
            "training_budget": given["training"] * p.rental_price_start,
            "training_bill": given["training"] * p.rental_price_start,
            "age": np.tile(np.array([value_of("lab_age")]), (size, 1)) + np.arange(size)[:, None] % 4,
            "research_spending": p.research_cost_start * jnp.ones(size),
            "lead_months": value_of("leads_seen") * value_of("lead_seen") * jnp.ones(size),
            "leads_ended": value_of("leads_seen") * jnp.ones(size),
            "rent_share": rent,
            "rents_seen": value_of("leads_seen")
            * value_of("lead_seen")
            * jnp.maximum(rent, 0.01)[:, None]
            * jnp.ones(2),
            "rents_lost": value_of("leads_seen")
            * value_of("lead_seen")
            * jnp.maximum(rent, 0.01)[:, None]
            * jnp.array(value_of("rent_decay")),
            "leak": np.tile(np.array(value_of("leak_seen")), (size, 1)),
            "caught_seen": value_of("exchanges_risked") * jnp.stack([p.detection_rate, 1.0]) * jnp.ones((size, 1)),
            "gross_profit": value_of("market_size") * rent,
            "access_cut": np.full((size, cast_size), value_of("access_cut")),
            "lineage": np.eye(cast_size)[(n_closed if is_open else 0) :][:size],
        }

    closed_group = populations.group("closed_labs", sizes, columns(closed, False, 0))
    open_group = populations.group("open_labs", sizes, columns(opened, True, free))
    return Group(*closed_group.populations, *open_group.populations)


def _lab_columns(kind: str, size: int) -> dict[str, Any]:
    """What closed or open labs of the cast start with."""
    floats: dict[str, Any] = {
        name: each(f"{kind}_{name}", size) for name in ("capability", "training", "own_share", "cash")
    }
    whole = {name: each(f"{kind}_{name}", size).astype(int) for name in ("provider", "monetisation")}
    return floats | whole | {"of_parent": each(f"{kind}_of_parent", size) > 0}


def first_adopters(
    p: Values, draws: Draws, populations: Populations, sizes: dict[str, int], labs: Group, given: Mapping[str, Any]
) -> Group:
    n = populations.adopters
    sizes = sizes | {"product": labs.size * OFFERS, "lab": labs.size, "provider": labs.size + 1}
    slots = Population.create(Adopter, n, sizes=sizes)
    luck = draws.uniform("kind", slots)
    kind = jnp.where(luck < p.enterprise_share, ENTERPRISE, jnp.where(luck > 1 - p.consumer_share, CONSUMER, DEVELOPER))
    kind = given.get("segment", kind)
    enterprise, consumer = kind == ENTERPRISE, kind == CONSUMER
    difficulty = p.difficulty_low + (p.difficulty_high - p.difficulty_low) * draws.uniform("difficulty", slots)
    difficulty = given.get("difficulty", difficulty)
    valuation = draws.normal("value", slots)
    spread = p.value_spread * valuation
    value = p.task_value * jnp.exp(p.value_slope * difficulty + spread + p.enterprise_value * enterprise)
    size = mean_one("adopter_scale_sd", draws.normal("scale", slots))
    tasks = p.task_volume * jnp.exp(-p.volume_slope * spread) * size
    # Consumers are as many whatever a subscription is worth to them.
    worth = p.consumer_value / p.subscriber_tokens * jnp.exp(p.consumer_spread * valuation)
    value = jnp.where(consumer, worth, value)
    tasks = jnp.where(consumer, p.consumers * p.subscriber_tokens / jnp.maximum(p.consumer_share, 1e-9) * size, tasks)
    share = value_of("early_share")
    early = use.early_users(draws.uniform("early", slots), share, kind, CONSUMER + 1, difficulty)
    adopted = jnp.where(early, jnp.array(value_of("adopted"))[kind] / share, 0.0)
    low, high = (jnp.array(value_of(f"compliance_{end}"))[kind] for end in ("least", "most"))
    own_fit = p.fit_spread * draws.normal("fit", slots, (labs.size,))
    if "fit" in given:
        known = jnp.pad(given["fit"], ((0, 0), (0, labs.size - given["fit"].shape[1])), constant_values=jnp.nan)
        own_fit = jnp.where(jnp.isnan(known), own_fit, known)
    trust = jnp.append(jnp.where(labs.is_kind(OpenLab), p.trust_in_open, p.trust_in_closed), p.trust_in_hosts)
    return populations.group(
        "adopters",
        sizes,
        {
            "home": homes(draws.uniform("home", slots), value_of("adopter_homes")),
            "segment": kind,
            "difficulty": difficulty,
            "value": value,
            "tasks": tasks / n,
            "compliance_need": low + (high - low) * draws.uniform("compliance", slots),
            "pace": jnp.array(value_of("review_pace"))[kind],
            "adopted": adopted,
            "own_fit": own_fit,
            "fit": own_fit,
            "trust": jnp.broadcast_to(trust, (n, labs.size + 1)),
        }
        | {name: column for name, column in given.items() if name != "fit"},
    )


def first_investors(p: Values, draws: Draws, populations: Populations, sizes: dict[str, int]) -> Group:
    n, least = populations.investors, value_of("investor_least")
    slots = Population.create(Investor, n, sizes=sizes)
    wealth = jnp.exp(value_of("investor_wealth_sd") * draws.normal("wealth", slots))
    opinion = p.belief_spread * draws.normal("opinion", slots, (len(QUESTIONS),))
    logit = jax.scipy.special.logit(p.credibility) + p.credibility_spread * draws.normal("credibility", slots)
    return populations.group(
        "investors",
        sizes,
        {
            "home": homes(draws.uniform("home", slots), value_of("investor_homes")),
            "wealth": wealth / wealth.sum(),
            "belief": opinion,
            "reference": opinion,
            "anchor": opinion,
            "uncertainty": p.belief_variance * jnp.ones((n, len(QUESTIONS))),
            "susceptibility": jnp.clip(p.susceptibility * (least + draws.uniform("susceptibility", slots)), 0.0, 1.0),
            "credibility": jax.nn.sigmoid(logit),
            "threshold": jnp.clip(p.attention_threshold * (least + draws.uniform("threshold", slots)), 0.0, 1.0),
            "trend_share": p.trend_share * jnp.ones(n),
            "aggressiveness": mean_one("investor_aggressiveness_sd", draws.normal("aggressiveness", slots)),
        },
    )
