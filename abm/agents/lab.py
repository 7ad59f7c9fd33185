"""Labs: the state and the rules that closed and open labs share."""

import jax.numpy as jnp

from abm.agents.owner import Owner
from abm.engine import Field, answer_like
from abm.mechanisms import conduct, enforcement, imitation, research, tokens

METERED, SUBSCRIPTION, HOSTING, COMPLEMENT, OPEN_CORE = range(5)
SMALLEST_REVISION = 0.05
"""Change of a list price that is made at all, nats."""
SMALLEST_GAIN = 1e-3
"""Gain of capability for which an old model is replaced, nats: less is rounding."""
NEVER = -50.0  # nats: below the capability of any lab


class Lab(Owner):
    """Trains, copies or distils models, sells them in tiers, and spends income and funding on the next ones."""

    stream = "lab"

    # identity and business model
    home = Field(0, "", "jurisdiction of the lab and of its places", dtype=int)
    monetisation = Field(METERED, "", "0 API, 1 subscription, 2 hosting, 3 complement, 4 open core", dtype=int)
    licence = Field(0.0, "", "how far the licence of its weights permits copying (0 closed, 1 free)")
    first_party_share = Field(1.0, "", "share of its models' tokens it serves itself")
    provider = Field(-1, "", "operator whose machines it rents (-1: none in particular)", dtype=int)
    of_parent = Field(False, "", "whether that operator is its parent", dtype=bool)
    own_share = Field(0.0, "share", "share of the machines that it uses which it wants to own")

    # research
    efficiency = Field(0.0, "nats", "algorithmic efficiency", symbol="e_l")
    run_compute = Field(0.0, "H100e months", "compute accumulated by the training run", symbol="C_l")
    run_cost = Field(0.0, "$ M", "rent of the machines of the current run")
    training = Field(0.0, "H100e", "machines that train", symbol="H_l")
    serving = Field(0.0, "H100e", "machines that serve tokens of its models")
    training_budget = Field(0.0, "$ M per month", "rent that it spends on training")
    training_bill = Field(0.0, "$ M per month", "rent of the machines that train")
    programme_cost = Field(500.0, "$ M", "research wages and compute so far")
    research_intensity = Field(1.0, "", "research spending relative to the industry's trend", symbol="R_l")
    research_spending = Field(20.0, "$ M per month", "research wages")
    distilled = Field(NEVER, "nats", "capability reached by distillation", symbol="d_l")
    copied = Field(NEVER, "nats", "capability reached by copying open weights")
    teacher = Field(-1, "", "lab it distils (-1: none)", dtype=int)
    copied_from = Field(-1, "", "lab whose open weights it builds on (-1: none)", dtype=int)
    exchanges = Field(0.0, "M exchanges per month", "accepted exchanges with the teacher", symbol="x_l")
    untaught = Field(NEVER, "nats", "best flagship released without a teacher")
    taught_by = Field(-1, "", "lab that it distilled last (-1: none)", dtype=int)
    source = Field(-1, "", "lab to which its flagship owes capability (-1: none)", dtype=int)
    distilled_share = Field(0.0, "", "share of released capability owed to teachers or copied weights")
    vigilance = Field(0.0, "", "defence against being distilled")
    access_cut = Field(0.0, "months", "remaining months without access to teachers")
    legal_exposure = Field(0.0, "$ M", "damages not yet paid")

    # products, by tier: flagship, efficient
    capability = Field(0.0, "nats", "released capability", symbol="k_q", shape=("tier",))
    model_size = Field(0.0, "ln parameters", "model size above the reference model", shape=("tier",))
    serving_efficiency = Field(0.0, "nats", "inference efficiency of the tier", shape=("tier",))
    hosted = Field(NEVER, "nats", "released capability at certified hosts", shape=("tier",))
    age = Field(3.0, "months", "months since release", shape=("tier",))
    released = Field(False, "", "released this month", shape=("tier",), dtype=bool)
    from_own_run = Field(False, "", "released this month from a run of its own", dtype=bool)
    claimed_cost = Field(0.0, "$ M", "cost disclosed at the last release")
    true_cost = Field(0.0, "$ M", "cost of the whole programme at the last release")

    # offers: tokens of each tier, and a subscription with the flagship, whose fee is counted per token
    price = Field(20.0, "$ per M tokens", "posted list price", symbol="p_q", shape=("offer",))
    token_cost = Field(10.0, "$ per M tokens", "unit cost", symbol="c_q", shape=("offer",))
    revision = Field(0.0, "", "log change of list price this month without a release", shape=("offer",))
    nash_markup = Field(1.0, "nats", "ln of price over cost at the month's Nash prices", shape=("offer",))
    uncopied = Field(1.0, "share", "spending on its offer that does not go to a faithful copy of it", shape=("offer",))
    best_profit = Field(0.0, "$ M per month", "best monthly gross profit since the flagship's release")
    tier_value = Field(
        0.0, "$ M per month per nat", "derivative of own profit in the tier's capability", shape=("tier",)
    )
    tier_slope = Field(1.0, "per nat", "slope of ln worth in capability at the tier's customers", shape=("tier",))

    # money and machines
    cash = Field(3_000.0, "$ M", "cash on hand")
    funded = Field(0.0, "$ M per month", "money raised from owners")
    revenue = Field(0.0, "$ M per month", "income from customers")
    profit = Field(0.0, "$ M per month", "revenue minus all current costs")
    lerner = Field(0.5, "", "sales-weighted Lerner index", symbol="L_l")
    nat_value = Field(0.0, "$ M per month per nat", "worth of capability to the lab and its owners")
    marginal_value = Field(0.0, "$ M per month per nat", "derivative of own profit in own capability")
    distressed = Field(0.0, "months", "consecutive months with negative cash")

    # --- research -----------------------------------------------------------------------------------------------

    def research(self, p, workplace, luck, efficiency_gain):
        """Add own progress (with luck, faster under scarcity) and spillovers from published research; continue training."""
        self.efficiency += (
            research.own_progress(self.research_intensity, luck, workplace.scarcity, p)
            + research.spillover(self.efficiency, workplace.published_efficiency, workplace.ip_strength, p)
            + efficiency_gain
        )
        self.run_compute += self.training
        self.run_cost += self.training_bill
        self.programme_cost += self.training_bill + self.research_spending

    def choose_exchanges(self, p, teaching):
        """Distil until the marginal gain of an exchange equals its price plus its expected penalty."""
        gap = jnp.maximum(teaching.ceiling - self.candidate(p), 0.0)
        wanted = imitation.optimal_exchanges(gap, self.nat_value, teaching, p)
        self.exchanges = jnp.where(self.access_cut <= 0, wanted, 0.0)
        self.teacher = jnp.where(self.exchanges > 0, teaching.teacher, -1)

    def imitate(self, p, teaching):
        """Close the gap to the teacher by distillation, and to the best open weights by copying."""
        self.distilled = imitation.distil(self.distilled, self.capability[0], teaching.ceiling, self.exchanges, p)
        self.taught_by = jnp.where(self.exchanges > 0, teaching.teacher, self.taught_by)
        before = self.copied
        self.copied = imitation.copy(before, self.untaught, teaching.open_capability, teaching.ip_strength, p)
        self.copied_from = jnp.where(self.copied > before, teaching.open_source, self.copied_from)
        self.access_cut = jnp.maximum(self.access_cut - 1, 0.0)

    # --- enforcement --------------------------------------------------------------------------------------------

    def defend(self, p, threat):
        """Defend against distillation (rate limits, hidden reasoning) up to the point where it costs what it saves."""
        self.vigilance = enforcement.defence_effort(threat.loss, threat.exchanges, p) + threat.alarm

    def answer_case(self, p, detected, lost):
        """If caught, lose access; if the suit is lost, owe damages and give up distilled capability, on sale or not.

        The lab falls back on the best capability it has without a teacher: a release, the current run, or a copy.
        """
        self.access_cut = jnp.where(detected, p.access_cut_months, self.access_cut)
        damages = p.damages_multiple * jnp.maximum(self.revenue, p.damages_floor)
        self.legal_exposure += jnp.where(lost, damages, 0.0)
        clean = jnp.maximum(self.untaught, self.untaught_candidate(p))
        enjoined = lost & (self.distilled_share > 0.0)
        self.capability = jnp.where(enjoined, jnp.minimum(self.capability, clean), self.capability)
        self.distilled = jnp.where(lost, NEVER, self.distilled)

    # --- release ------------------------------------------------------------------------------------------------

    def own_candidate(self, p):
        """Capability of the current run if released now: efficiency plus ln compute."""
        return research.effective_compute(self.efficiency, self.run_compute, p)

    def untaught_candidate(self, p):
        """Best capability the lab could release now without a teacher: its own run or a copy."""
        return jnp.maximum(self.own_candidate(p), self.copied)

    def candidate(self, p):
        """Best capability the lab could release now: its own run, a copy or a distilled model."""
        return jnp.maximum(self.untaught_candidate(p), self.distilled)

    def release(self, p, news):
        """Release a tier once it improves by a threshold, or is old; the efficient tier is distilled from the flagship.

        Imitation makes a model better, not larger: a distilled one keeps the lab's size, and a copy has its parent's. A
        release that a scenario imposes keeps size and run. A model of one's own is as large as pays
        (`conduct.best_overtraining`).
        """
        own, best = self.own_candidate(p), self.candidate(p)
        forked = (self.copied >= self.distilled) & (self.copied > own)
        from_own = ~news.forced & (own >= best)
        less = conduct.best_overtraining(self.tier_slope, p)
        lost = conduct.overtraining_losses(p) * less**2
        own_size = research.optimal_size(self.run_compute, p) - (less[0] - conduct.USUAL)
        kept = jnp.where(forked & (self.copied_from >= 0), news.parent_size, self.model_size[0]) + news.size_step
        flagship = jnp.where(
            news.forced,
            news.capability,
            jnp.where(from_own, best - lost[0] + conduct.overtraining_losses(p)[0] * conduct.USUAL**2, best),
        )

        offer = jnp.array([flagship, self.capability[0] - lost[1]])
        size = jnp.array([jnp.where(from_own, own_size, kept), self.model_size[0] - less[1]])
        gain = offer - self.capability
        threshold = p.release_threshold * jnp.array([1.0, p.efficient_tier_threshold])
        due = (gain >= threshold) | ((self.age >= p.maximum_age) & (gain > SMALLEST_GAIN))
        out = (due & (news.luck < p.release_hazard)) | jnp.array([news.forced, False])

        self.true_cost = jnp.where(out[0], self.programme_cost, self.true_cost)
        reported = jnp.where(news.claimed_cost > 0, news.claimed_cost, news.report_ratio * self.run_cost)
        self.claimed_cost = jnp.where(out[0], reported, self.claimed_cost)
        owed = 1 - jnp.exp(jnp.minimum(own - best, 0.0))
        self.distilled_share = jnp.where(out[0], owed, self.distilled_share)
        source = jnp.where(owed > 0, jnp.where(forked, self.copied_from, self.taught_by), -1)
        self.source = jnp.where(out[0], source, self.source)
        untaught = news.forced | (self.untaught_candidate(p) >= best)
        self.untaught = jnp.where(out[0] & untaught, flagship, self.untaught)
        self.capability = jnp.where(out, offer, self.capability)
        self.model_size = jnp.where(out, size, self.model_size)
        self.serving_efficiency = jnp.where(out, news.serving_efficiency, self.serving_efficiency)
        self.age = jnp.where(out, 0.0, self.age + 1)
        self.hosted = jnp.where(self.age >= p.certified_delay, self.capability, self.hosted)
        self.released = out
        self.from_own_run = out[0] & (from_own | news.forced)
        new_run = out[0] & from_own
        self.run_compute = jnp.where(new_run, 0.0, self.run_compute)
        self.run_cost = jnp.where(new_run, 0.0, self.run_cost)

    # --- tokens -------------------------------------------------------------------------------------------------

    def cost_tokens(self, p, workplace):
        """Unit cost of a token: log model size minus inference efficiency, at the rental price of compute."""
        retrofit = p.serving_retrofit * (workplace.serving_efficiency - self.serving_efficiency)
        saved = self.serving_efficiency + retrofit
        cost = tokens.token_cost(self.model_size, saved, workplace.rent, p)
        self.token_cost = jnp.append(cost, cost[0])

    def net_cost(self, p):
        """Unit cost less what a complement earns on the token."""
        gain = jnp.minimum(p.complement_benefit, 0.98)
        return self.token_cost * jnp.where(self.monetisation == COMPLEMENT, 1 - gain, 1.0)

    def wanted_price(self, p, offer):
        """Price the lab would post today, by offer: a step towards it, from `offer.price`, at which `offer` was seen."""
        raise NotImplementedError(f"{type(self).__name__} has no pricing rule: define wanted_price(self, p, offer)")

    def asked_price(self, p, offer):
        """`wanted_price`, checked to have a number for each offer."""
        return answer_like(self.price, self.wanted_price(p, offer), type(self), "wanted_price")

    def set_prices(self, p, pricing, reply):
        """Post the price that pays best at a release; afterwards change prices only where that earns more than the menu cost.

        The menu cost is a share of the best monthly gross profit since the flagship's release. Under flexible pricing the
        price takes a damped step every month, under Nash pricing the whole step.
        """
        step = jnp.log(reply.price) - jnp.log(self.price)
        if pricing == "posted":
            pays = reply.gain > p.menu_cost * self.best_profit
            revised = jnp.where(pays & (jnp.abs(step) > SMALLEST_REVISION), step, 0.0)
        else:
            revised = step if pricing == "nash" else p.price_adjustment * step
        revised = revised + jnp.log(reply.price_factor)
        fresh = self.released[0]
        self.best_profit = jnp.maximum(
            jnp.where(fresh, 0.0, self.best_profit), reply.earned + jnp.where(fresh, reply.gain, 0.0)
        )
        out = jnp.append(self.released, self.released[0])  # a flagship comes with new limits of use for subscribers
        self.revision = jnp.where(out, 0.0, revised)
        self.price = jnp.where(out, reply.price, self.price * jnp.exp(revised))

    # --- accounts -----------------------------------------------------------------------------------------------

    def close_books(self, p, books):
        """Book the month's profit, cash and damages."""
        costs = (
            books.serving
            + books.wages
            + books.power
            + books.training
            + books.compliance
            + books.teachers
            + books.damages
            + books.defence
        )
        self.revenue = books.income
        self.funded = books.funding
        self.lerner = books.lerner
        self.profit = books.income + books.rent + books.tuition + books.awards - costs
        self.legal_exposure = self.legal_exposure - books.damages
        self.cash += self.profit + books.funding - books.machines
        self.distressed = jnp.where(self.cash < 0, self.distressed + 1, 0.0)

    def plan(self, p, outlook):
        """Plan R&D and training so that the value of a nat of lead while it lasts covers their cost and the option to wait.

        Marginal value x expected duration = option multiple x marginal cost (Dixit and Pindyck 1994, ch. 5-6).
        """
        self.nat_value = self.marginal_value + outlook.standing
        target = research.research_target(self.nat_value, outlook, p)
        intensity = self.research_intensity * jnp.exp(
            p.research_adjustment * (jnp.log(target) - jnp.log(self.research_intensity))
        )
        affordable = jnp.maximum(self.cash, 0.0) / p.runway
        self.research_intensity = jnp.clip(intensity, p.research_floor, p.research_ceiling)
        self.research_spending = jnp.minimum(self.research_intensity * outlook.research_cost, affordable)
        self.research_intensity = jnp.maximum(self.research_spending / outlook.research_cost, 0.2 * p.research_floor)
        worth = research.training_budget(self.nat_value, outlook, p)
        means = p.compute_budget_share * jnp.maximum(affordable - self.research_spending, 0.0)
        self.training_budget += p.research_adjustment * (jnp.minimum(worth, means) - self.training_budget)
