"""Investors: their beliefs, attention and trading."""

import jax.numpy as jnp
import numpy as np

from abm.engine import Agent, Field
from abm.mechanisms import attention, beliefs, equities, trading

ON_INTENSITY = np.array([1.0, 0.0, 0.0, 0.0])
"""Weights of a cost claim over the questions: it informs only the first, compute intensity."""


class Investor(Agent):
    """Holds beliefs about four open questions, learns when attentive, talks to neighbours, and buys what looks cheap."""

    stream = "investor"
    home = Field(0, "", "home jurisdiction", dtype=int)
    wealth = Field(1.0, "share of all wealth", "weight in the market", symbol="w_i")
    money = Field(0.0, "$ M", "cash account")
    belief = Field(0.0, "nats", "mean belief per question", symbol="m_iQ", shape=("question",))
    uncertainty = Field(0.2, "nats^2", "variance of belief per question", symbol="v_iQ", shape=("question",))
    anchor = Field(0.0, "nats", "initial opinion", shape=("question",))
    reference = Field(0.0, "nats", "belief before the latest news, against which news is judged", shape=("question",))
    susceptibility = Field(0.3, "", "weight on neighbours' beliefs", symbol="Lambda_i")
    credibility = Field(0.5, "", "weight given to a cost claim")
    threshold = Field(0.3, "", "share of attentive neighbours at which it becomes attentive")
    attentive = Field(0.0, "", "1 if following the news today", symbol="a_i")
    heard_signal = Field(0.0, "", "public news absorbed: precision x signal", shape=("question",))
    heard_precision = Field(0.0, "", "public news absorbed: precision", shape=("question",))
    heard_claims = Field(0.0, "", "cost claims absorbed: precision x signal, precision", shape=("pair",))
    trend_share = Field(0.2, "", "weight of the trend strategy", symbol="n_i")
    switching = Field(1.0, "", "intensity of choice between strategies", symbol="beta_i")
    aggressiveness = Field(1.0, "", "position per log point of mispricing, relative to the average", symbol="alpha_i")
    holdings = Field(0.0, "share of the firm", "fraction of each firm held", symbol="h_if", shape=("asset",))

    def notice(self, p, news, luck):
        """Become attentive on exposure to salient news; otherwise lose interest with some probability."""
        exposed = luck < attention.exposure(news.salience, p)
        stays = self.attentive * (luck < 1 - attention.fatigue(p))
        self.attentive = jnp.where(exposed, 1.0, stays)

    def hear(self, p, news, neighbours):
        """Become attentive when enough of the investors it listens to are attentive."""
        infected = attention.contagion(neighbours, self.threshold, news.salience, p)
        self.attentive = jnp.where(infected, 1.0, self.attentive)

    def learn(self, p, news):
        """If attentive, update beliefs on all public news not yet absorbed (Kalman); cost claims count by its trust in them."""
        trust = beliefs.trust(self.credibility, self.belief[3])
        information, precision = news.signal - self.heard_signal, news.precision - self.heard_precision
        claimed, claims = trust * (news.claims - self.heard_claims)
        information, precision = information + claimed * ON_INTENSITY, precision + claims * ON_INTENSITY
        belief, uncertainty = beliefs.absorb(self.belief, self.uncertainty, information, precision)
        awake = self.attentive > 0.5
        self.reference = self.reference + p.reference_adjustment * (self.belief - self.reference)
        self.belief = jnp.where(awake, belief, self.belief)
        self.uncertainty = jnp.where(awake, uncertainty, self.uncertainty) + p.belief_drift
        self.heard_signal = jnp.where(awake, news.signal, self.heard_signal)
        self.heard_precision = jnp.where(awake, news.precision, self.heard_precision)
        self.heard_claims = jnp.where(awake, news.claims, self.heard_claims)

    def talk(self, p, neighbours_belief):
        """Average its belief with its neighbours' and its initial opinion: one Friedkin-Johnsen step."""
        weight = self.susceptibility * p.social_influence
        inner = beliefs.friedkin_johnsen_step(neighbours_belief, weight, self.belief)
        self.belief = inner + p.anchoring * (self.anchor - inner)

    def felt_belief(self, p):
        """Diagnostic belief: news is over-weighted relative to the reference belief (Bordalo et al. 2018)."""
        return self.belief + p.crash_beliefs * p.diagnostic_weight * (self.belief - self.reference)

    def schedule(self, p):
        """Demand schedule: its position as a function of value, price and trend (`trading.Schedule`)."""
        premium = p.risk_premium * (1 - p.guarantee_share)
        return trading.schedule(
            self.wealth, self.aggressiveness, self.trend_share, self.felt_belief(p), premium * self.uncertainty, p
        )

    def choose_strategy(self, p, profits):
        """Choose between the fundamental and the trend strategy by last month's profits (Brock and Hommes 1998)."""
        shares = equities.strategy_shares(profits, self.switching * p.strategy_switching)
        self.trend_share = 0.5 * self.trend_share + 0.5 * p.trend_share_maximum * shares[1]

    def settle(self, p, assets, value, payouts):
        """Settle the month's trades with the dealer; receive dividends and pay funding in proportion to holdings."""
        position = trading.position(self.schedule(p), assets, p)
        self.money += self.holdings @ (payouts + value) - position @ value
        self.holdings = position

    def grow(self, p, value, growth):
        """Let wealth grow with the portfolio: beating the market adds to its weight in the market."""
        held = jnp.maximum(self.holdings, 0.0)
        self.wealth *= (held @ (value * growth)) / jnp.maximum(held @ value, 1e-12)
