"""Pricing, use of machines, accounts and plans of labs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from benchmarks.plain_mesa.constants import (
    COMPLEMENT,
    FLAGSHIP,
    OFFERS,
    SUBSCRIBED,
    SUBSCRIPTION,
    TIERS,
    UNITED_STATES,
    clip,
    option_multiple,
)
from benchmarks.plain_mesa.lab import NEAR, Lab

CHEAPEST, DEAREST = 1.01, 200.0  # limits of a price, in unit costs
SMALLEST_REVISION = 0.05  # nats
LEAST_CLIMB = 0.5  # nats in a year over which awards are spread


class Seller(Lab):
    """A lab as a firm."""

    # Tokens

    def saved(self, tier: int) -> float:
        """Inference efficiency of a model on sale: that at its release, plus part of later progress."""
        own = self.serving_efficiency[tier]
        return own + self.model.p.serving_retrofit * (self.model.accounts.serving_efficiency - own)

    def cost_tokens(self) -> None:
        """Unit cost of a token: model size minus inference efficiency, times the rent under contracts of the past year."""
        p = self.model.p
        dear = p.token_cost_start * self.model.compute.contract_paid[self.serving_home] / p.rental_price_start
        cost = [dear * math.exp(self.model_size[t] - self.saved(t)) for t in TIERS]
        self.token_cost = [*cost, cost[FLAGSHIP]]  # subscribers use the flagship

    def subscribes(self) -> bool:
        """Whether it offers consumers a subscription."""
        return not self.is_open and self.monetisation in (SUBSCRIPTION, COMPLEMENT)

    def net_cost(self) -> list[float]:
        """Unit costs, counted before the royalty that income carries, less what a complement earns on a token."""
        return [cost / (1 - self.royalty) - self.benefit(cost) for cost in self.token_cost]

    def benefit(self, cost: float) -> float:
        """What its other business earns on a token of this cost, as far as it reckons with it."""
        return min(self.model.p.complement_benefit, 0.98) * cost if self.monetisation == COMPLEMENT else 0.0

    def wanted_price(self, price: Any, sales: Any, pressure: Any, hosts: float) -> list[float]:
        """Prices it would post today, seen from these prices, at which it would have these sales."""
        raise NotImplementedError

    def revise(self, step: float, pays: bool) -> float:
        """Change of a price without a release: only where all changes together earn more than the menu cost."""
        return step if pays and abs(step) > SMALLEST_REVISION else 0.0

    def set_prices(self, reply: list[float], now: float, then: float) -> None:
        """Post the best reply at a release; revise other prices. The menu cost is a share of the best month's profit."""
        p, price, revision = self.model.p, list(self.price), [0.0] * len(OFFERS)
        war = math.log(self.model.events.price_factor[self.number])
        pays = then - now > p.menu_cost * self.best_profit
        for q in OFFERS:
            if self.released[FLAGSHIP if q == SUBSCRIBED else q]:
                price[q] = reply[q]
                continue
            revision[q] = self.revise(math.log(reply[q] / price[q]), pays) + war
            price[q] *= math.exp(revision[q])
        self.price, self.revision = price, revision
        self.best_profit = max(0.0, then) if self.released[FLAGSHIP] else max(self.best_profit, now)

    def hosts(self) -> float:
        """Competing hosts of its weights: entry until a host's margin pays its fixed cost."""
        p = self.model.p
        sales = 1e-6 * sum(x * c for x, c in zip(self.sold.tokens, self.token_cost, strict=True))
        return 1 + math.sqrt(p.host_differentiation * sales * max(self.licence, 0.0) / p.host_fixed_cost)

    # Machines

    @property
    def serving_home(self) -> int:
        """Where its tokens are served: at home, or by hosts in the United States."""
        return UNITED_STATES if self.is_open else self.home

    def machines_at_home(self) -> float:
        """Machines that train or serve at home, H100e."""
        return self.training + (self.serving if self.serving_home == self.home else 0.0)

    def need_machines(self) -> None:
        """Machines that serve tokens are needed at once, whatever the rent."""
        p = self.model.p
        served = [own + copied for own, copied in zip(self.sold.tokens, self.sold.copies, strict=True)]
        volume = served[: len(TIERS)]
        volume[FLAGSHIP] += served[SUBSCRIBED] + self.sold.free
        worth = sum(x * math.exp(self.model_size[t] - self.saved(t)) for t, x in enumerate(volume))
        self.serving = 1e-6 * p.token_cost_start / p.rental_price_start * worth if self.active else 0.0

    def train(self, rent: float, served: float) -> None:
        """Machines that its budget rents; all get the same share where tokens alone want more than there is."""
        self.training_bill = self.training_budget * served if self.active else 0.0
        self.training = self.training_bill / rent

    # Accounts

    def close_books(self, books: Any, rent: float, received: float) -> None:
        """Profit, cash and legal debts of the month: `rent` of its machines, and money `received` from other labs."""
        costs = books.serving + books.wages + books.power + books.training + books.compliance + books.fees_paid
        costs += books.royalties + books.damages + books.defence
        self.revenue = books.income
        self.gross_profit = books.income - books.serving
        self.funded = books.funding
        self.lerner = 1 - books.cost / books.sales if books.sales > 0 else 0.0
        self.profit = books.income + rent + received - costs
        self.legal_exposure -= books.damages
        self.cash += self.profit + books.funding - self.outlay()
        self.distressed = self.distressed + 1 if self.cash < 0 else 0.0

    def watch_lead(self, awards: float) -> None:
        """How long its flagships stay ahead of labs that were behind, how fast rents fall, and awards of other labs.

        What a release of its own does to its rents tells nothing of what rivals take.
        """
        p, k, model = self.model.p, self.capability[FLAGSHIP], self.model
        worse = [lab.capability[FLAGSHIP] < k - NEAR for lab in model.labs]
        if self.released[FLAGSHIP]:
            self.behind, self.matched = [lab.active and w for lab, w in zip(model.labs, worse, strict=True)], -1.0
        rivals = [w for lab, w, b in zip(model.labs, worse, self.behind, strict=True) if b and lab.active]
        leads = bool(rivals) and self.matched < 0
        self.watch_rent(max(self.gross_profit, 0.0) / max(model.flows.tokens, 1e-9), leads)
        caught = leads and not all(rivals)
        self.lead_months = (1 - p.lead_forgetting) * self.lead_months + (leads and not caught)
        self.leads_ended = (1 - p.lead_forgetting) * self.leads_ended + caught
        if caught:
            self.matched = 0.0
        elif self.matched >= 0:
            self.matched += 1
        self.awards_seen += p.lead_forgetting * (awards - self.awards_seen)

    def watch_rent(self, rent: float, leads: bool) -> None:
        """How much of the market its rent was last month, and how much less it is now, by whether it leads."""
        fade = 1 - self.model.p.lead_forgetting
        for state in (False, True):  # ahead, matched
            counts = leads != state and not any(self.released)
            self.rents_seen[state] = fade * self.rents_seen[state] + (self.rent_share if counts else 0.0)
            self.rents_lost[state] = fade * self.rents_lost[state] + (self.rent_share - rent if counts else 0.0)
        self.rent_share = rent

    def at_stake(self) -> float:
        """Share of its income that hangs on how courts rule: royalties, damages that accrue in a case, awards."""
        p, chance = self.model.p, self.ruling_expected()
        damages = chance * p.damages_multiple * self.owed_to_teachers() if self.is_sued() else 0.0
        hangs = (self.royalty + damages) * self.revenue + self.awards_seen
        return clip(hangs / max(self.revenue + self.awards_seen, 1e-9), 0.0, 1.0)

    def plan(self, cost: float) -> None:
        """Research and training such that a nat of lead, while it lasts, is worth its cost and the option to wait."""
        p, law, accounts = self.model.p, self.law, self.model.accounts
        chance, squared = accounts.rulings[self.home]
        courts = self.at_stake() ** 2 * squared / max(chance, 1e-3) ** 2
        volatility = math.sqrt(p.demand_volatility**2 + courts + law.policy_uncertainty**2)
        volatility *= 1 - p.guarantee_share * p.guarantee_insurance
        multiple = option_multiple(p.interest_rate, p.payout_rate, volatility)

        self.nat_value = (1 - self.royalty) * self.marginal_value
        climbed = max(self.capability[FLAGSHIP] - accounts.capability_history[-1][self.number], LEAST_CLIMB)
        awards = self.awards_seen * len(accounts.capability_history) / climbed  # $ M that a nat brings from other labs
        worth = max(self.nat_value, 0.0) * self.worth_of_lead() + awards
        trend = math.log(2) / p.algorithmic_doubling_time
        ratio = p.research_returns * trend * worth / (multiple * cost)
        goal = clip(max(ratio, 1e-6) ** (1 / (1 - p.research_returns)), p.research_floor, p.research_ceiling)
        moved = self.research_intensity * (goal / self.research_intensity) ** p.research_adjustment
        affordable = max(self.cash, 0.0) / p.runway
        self.research_spending = min(clip(moved, p.research_floor, p.research_ceiling) * cost, affordable)
        self.research_intensity = max(self.research_spending / cost, 0.2 * p.research_floor)
        means = p.compute_budget_share * max(affordable - self.research_spending, 0.0)
        goal = min(worth / (multiple * p.training_months), means)
        self.training_budget += p.research_adjustment * (goal - self.training_budget)


class ClosedLab(Seller):
    """Sells access and keeps its weights; its prices meet its own first-order conditions."""

    def wanted_price(self, price: Any, sales: Any, pressure: Any, hosts: float) -> list[float]:
        """One step to them: cost plus the margins that the conditions ask for at the sales seen.

        (1 + sigma) A_r m_r - sum_q B_rq m_q = A_r for both tiers together, and for the subscription by itself; an offer
        without sales gets the margin of an atom.
        """
        steep = 1 + self.model.p.substitution
        conditions = steep * np.eye(len(OFFERS))
        for r in OFFERS:
            if sales[r] > 0:
                conditions[r] -= pressure[r] / sales[r]
        two = slice(0, len(TIERS))
        margins = [*np.linalg.solve(conditions[two, two], np.ones(len(TIERS))), 1 / conditions[SUBSCRIBED, SUBSCRIBED]]
        aims = [c + m * before for c, m, before in zip(self.net_cost(), margins, price, strict=True)]
        return [clip(aim, CHEAPEST * c, DEAREST * c) for aim, c in zip(aims, self.net_cost(), strict=True)]


class OpenLab(Seller):
    """Releases its weights, so hosts compete its price towards cost."""

    is_open = True

    def wanted_price(self, price: Any, sales: Any, pressure: Any, hosts: float) -> list[float]:
        """Cost plus the margin that competing hosts leave; a complement may give that margin up."""
        hosted = 1 + self.model.p.host_differentiation / max(hosts, 1.0)
        if self.monetisation == COMPLEMENT:
            return [max(hosted * cost - self.benefit(cost), cost) for cost in self.token_cost]
        return [hosted * cost for cost in self.token_cost]

    def revise(self, step: float, pays: bool) -> float:
        """No posted price binds the hosts."""
        return step

    def choose_licence(self, top: float) -> None:
        """Opens more of the next release the further behind it is."""
        behind = max(top - self.capability[FLAGSHIP], 0.0)
        target = 1 - math.exp(-self.model.p.openness_response * (behind + 0.5))
        self.licence += 0.1 * (target - self.licence)
