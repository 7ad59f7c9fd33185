"""Pricing, use of machines, accounts and plans of labs."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.plain_mesa.constants import (
    COMPLEMENT,
    FLAGSHIP,
    SUBSCRIPTION,
    TIERS,
    UNITED_STATES,
    clip,
    option_multiple,
)
from benchmarks.plain_mesa.lab import Lab


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
        self.token_cost = [dear * math.exp(self.model_size[t] - self.saved(t)) for t in TIERS]

    def wanted_price(self, cost: float, elasticity: float, hosts: float) -> float:
        """Price the lab would post today for a product."""
        raise NotImplementedError

    def set_prices(self, elasticity: float, undercut: list[float], luck: list[float]) -> None:
        """Post the desired price at a release; later changes are rare and exceed the menu cost."""
        p, hosts = self.model.p, self.hosts()
        war = math.log(self.model.events.price_factor[self.number])
        price, revision = list(self.price), [0.0, 0.0]
        for t in TIERS:
            wanted = self.wanted_price(self.token_cost[t], elasticity, hosts)
            if self.released[t]:
                price[t] = wanted
                continue
            step = math.log(wanted / price[t])
            hazard = p.price_change_hazard * (1 + p.undercut_response * undercut[t])
            changes = luck[t] < hazard and abs(step) > p.menu_cost_band
            revision[t] = step + war if changes else war
            price[t] *= math.exp(revision[t])
        self.price, self.revision = price, revision

    def hosts(self) -> float:
        """Competing hosts of its weights: entry until a host's margin pays its fixed cost."""
        p = self.model.p
        sales = 1e-6 * sum(x * c for x, c in zip(self.volume, self.token_cost, strict=True))
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
        worth = sum(x * math.exp(self.model_size[t] - self.saved(t)) for t, x in enumerate(self.volume))
        self.serving = 1e-6 * p.token_cost_start / p.rental_price_start * worth if self.active else 0.0

    def train(self, rent: float, served: float) -> None:
        """Machines that its budget rents; all get the same share where tokens alone want more than there is."""
        self.training_bill = self.training_budget * served if self.active else 0.0
        self.training = self.training_bill / rent

    # Accounts

    def close_books(self, books: Any, rent: float, tuition: float, awards: float) -> None:
        """Profit, cash and legal debts of the month; `rent` is what its own machines earn."""
        costs = books.serving + books.wages + books.power + books.training + books.compliance + books.fees_paid
        costs += books.damages + books.defence
        self.revenue = books.income
        self.funded = books.funding
        self.lerner = books.markup / books.worth if books.worth > 0 else 0.0
        self.profit = books.income + rent + tuition + awards - costs
        self.legal_exposure -= books.damages
        self.cash += self.profit + books.funding - self.outlay()
        self.distressed = self.distressed + 1 if self.cash < 0 else 0.0

    def plan(self, cost: float, distilling: float, frontier: float) -> None:
        """Research and training such that a nat of lead, while it lasts, is worth its cost and the option to wait."""
        p, law = self.model.p, self.law
        copying = p.copying_rate * (1 - p.ip_copy_block * law.ip_strength)
        hazard = (copying if self.is_open else p.closed_leak * copying) / 12 + distilling + p.lead_decay / 12
        lasting = 1 / (hazard + p.interest_rate / 12)
        ruling = (p.ruling_spread * (1 - law.ip_clarity)) ** 2 * (1 - law.ip_strength)
        ruling *= 0.5 * math.erfc(-4 * law.ip_strength / math.sqrt(2))
        volatility = math.sqrt(p.demand_volatility**2 + ruling + law.policy_uncertainty**2)
        volatility *= 1 - p.guarantee_share * p.guarantee_insurance
        multiple = option_multiple(p.interest_rate, p.payout_rate, volatility)

        standing = p.interest_rate / 12 * p.lab_option_value * math.exp(self.capability[FLAGSHIP] - frontier)
        worth = max(self.marginal_value + standing, 0.0) * lasting
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
    """Sells access and keeps its weights: price is cost plus the markup that its rivals allow."""

    def wanted_price(self, cost: float, elasticity: float, hosts: float) -> float:
        """One markup for all tiers; a subscription or a complement lowers the price per token."""
        p = self.model.p
        elasticity = clip(elasticity, p.elasticity_floor, p.elasticity_ceiling)
        markup = elasticity / (elasticity - 1)
        if self.monetisation == SUBSCRIPTION:
            return cost * markup ** (1 - p.subscription_fee_share)
        if self.monetisation == COMPLEMENT:
            return max(cost * (1 - p.complement_benefit), 0.02 * cost) * markup
        return cost * markup


class OpenLab(Seller):
    """Releases its weights, so hosts compete its price towards cost."""

    is_open = True

    def wanted_price(self, cost: float, elasticity: float, hosts: float) -> float:
        """Cost plus the margin that competing hosts leave; a complement may give that margin up."""
        p = self.model.p
        hosted = cost * (1 + p.host_differentiation / max(hosts, 1.0))
        if self.monetisation == COMPLEMENT:
            return max(hosted - p.complement_benefit * cost, cost)
        return hosted

    def choose_licence(self, top: float) -> None:
        """Opens more of the next release the further behind it is."""
        behind = max(top - self.capability[FLAGSHIP], 0.0)
        target = 1 - math.exp(-self.model.p.openness_response * (behind + 0.5))
        self.licence += 0.1 * (target - self.licence)
