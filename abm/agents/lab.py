"""Labs: the state and the rules that closed and open labs share."""

import jax.numpy as jnp

from abm.agents.owner import Owner
from abm.engine import Field, answer_like
from abm.mechanisms import enforcement, imitation, research, tokens

METERED, SUBSCRIPTION, HOSTING, COMPLEMENT, OPEN_CORE = range(5)
NEVER = -50.0  # nats: below the capability of any lab


class Lab(Owner):
    """Trains, copies or distils models, sells them in tiers, and spends income and funding on the next ones."""

    stream = "lab"

    # identity and business model
    home = Field(0, "", "jurisdiction of the lab and of its places", dtype=int)
    monetisation = Field(METERED, "", "0 API, 1 subscription, 2 hosting, 3 complement, 4 open core", dtype=int)
    trust = Field(0.0, "utils", "trust and compliance record")
    brand = Field(0.0, "utils", "unobserved quality", symbol="xi_q")
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
    distilled_share = Field(0.0, "", "share of released capability owed to teachers or copied weights")
    vigilance = Field(0.0, "", "defence against being distilled")
    access_cut = Field(0.0, "months", "remaining months without access to teachers")
    legal_exposure = Field(0.0, "$ M", "damages not yet paid")

    # products, by tier: flagship, efficient
    capability = Field(0.0, "nats", "released capability", symbol="k_q", shape=("tier",))
    model_size = Field(0.0, "ln parameters", "model size above the reference model", shape=("tier",))
    serving_efficiency = Field(0.0, "nats", "inference efficiency of the tier", shape=("tier",))
    price = Field(20.0, "$ per M tokens", "posted list price", symbol="p_q", shape=("tier",))
    token_cost = Field(10.0, "$ per M tokens", "unit cost", symbol="c_q", shape=("tier",))
    age = Field(3.0, "months", "months since release", shape=("tier",))
    released = Field(False, "", "released this month", shape=("tier",), dtype=bool)
    revision = Field(0.0, "", "log change of list price this month without a release", shape=("tier",))
    claimed_cost = Field(0.0, "$ M", "cost disclosed at the last release")
    true_cost = Field(0.0, "$ M", "cost of the whole programme at the last release")

    # money and machines
    cash = Field(3_000.0, "$ M", "cash on hand")
    funded = Field(0.0, "$ M per month", "money raised from owners")
    revenue = Field(0.0, "$ M per month", "income from customers")
    profit = Field(0.0, "$ M per month", "revenue minus all current costs")
    lerner = Field(0.5, "", "sales-weighted Lerner index", symbol="L_l")
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
        wanted = imitation.optimal_exchanges(gap, self.marginal_value, teaching, p)
        self.exchanges = jnp.where(self.access_cut <= 0, wanted, 0.0)
        self.teacher = jnp.where(self.exchanges > 0, teaching.teacher, -1)

    def imitate(self, p, teaching):
        """Close the gap to the teacher by distillation, and to the best open weights by copying."""
        self.distilled = imitation.distil(self.distilled, self.capability[0], teaching.ceiling, self.exchanges, p)
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

        Being newly undercut speeds up a release (escape competition; Aghion et al. 2005). Distilled or copied capability
        keeps the lab's model size: imitation makes a model better, not larger.
        """
        own = self.own_candidate(p)
        flagship = jnp.where(news.forced, news.capability, self.candidate(p))
        from_own = news.forced | (own >= flagship)
        run_size = research.optimal_size(self.run_compute, p) + news.size_step

        offer = jnp.array([flagship, self.capability[0] - p.tier_step])
        size = jnp.array([jnp.where(from_own, run_size, self.model_size[0]), self.model_size[0] - p.tier_size_step])
        gain = offer - self.capability
        hurry = 1 + p.escape_competition * news.undercut
        threshold = p.release_threshold * jnp.array([1.0, p.efficient_tier_threshold]) / hurry
        due = (gain >= threshold) | ((self.age >= p.maximum_age) & (gain > 0))
        chance = p.release_hazard * hurry
        out = (due & (news.luck < chance)) | jnp.array([news.forced, False])

        self.true_cost = jnp.where(out[0], self.programme_cost, self.true_cost)
        reported = jnp.where(news.claimed_cost > 0, news.claimed_cost, news.report_ratio * self.run_cost)
        self.claimed_cost = jnp.where(out[0], reported, self.claimed_cost)
        owed = jnp.where(from_own, 0.0, 1 - jnp.exp(jnp.minimum(own - flagship, 0.0)))
        self.distilled_share = jnp.where(out[0], owed, self.distilled_share)
        untaught = news.forced | (self.untaught_candidate(p) >= flagship)
        self.untaught = jnp.where(out[0] & untaught, flagship, self.untaught)
        self.capability = jnp.where(out, offer, self.capability)
        self.model_size = jnp.where(out, size, self.model_size)
        self.serving_efficiency = jnp.where(out, news.serving_efficiency, self.serving_efficiency)
        self.age = jnp.where(out, 0.0, self.age + 1)
        self.released = out
        new_run = out[0] & from_own
        self.run_compute = jnp.where(new_run, 0.0, self.run_compute)
        self.run_cost = jnp.where(new_run, 0.0, self.run_cost)

    # --- tokens -------------------------------------------------------------------------------------------------

    def cost_tokens(self, p, workplace):
        """Unit cost of a token: log model size minus inference efficiency, at the rental price of compute."""
        retrofit = p.serving_retrofit * (workplace.serving_efficiency - self.serving_efficiency)
        saved = self.serving_efficiency + retrofit
        self.token_cost = tokens.token_cost(self.model_size, saved, workplace.rent, p)

    def wanted_price(self, p, offer):
        """Price the lab would post today, by tier."""
        raise NotImplementedError(f"{type(self).__name__} has no pricing rule: define wanted_price(self, p, offer)")

    def set_prices(self, p, pricing, offer):
        """Post the wanted price at a release; afterwards change it rarely, and only by more than the menu cost.

        The hazard rises when a rival undercuts (state-dependent hazard; Caballero and Engel 2007). Under flexible pricing
        the price takes a damped step every month, under Nash pricing the whole step.
        """
        wanted = answer_like(self.price, self.wanted_price(p, offer), type(self), "wanted_price")
        step = jnp.log(wanted) - jnp.log(self.price)
        if pricing == "posted":
            hazard = p.price_change_hazard * (1 + p.undercut_response * offer.undercut)
            changes = (offer.luck < hazard) & (jnp.abs(step) > p.menu_cost_band)
            revised = jnp.where(changes, step, 0.0)
        else:
            revised = step if pricing == "nash" else p.price_adjustment * step
        revised = revised + jnp.log(offer.price_factor)
        revised = jnp.where(self.released, 0.0, revised)
        self.price = jnp.where(self.released, wanted, self.price * jnp.exp(revised))
        self.revision = revised

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
        target = research.research_target(self.marginal_value + outlook.standing, outlook, p)
        intensity = self.research_intensity * jnp.exp(
            p.research_adjustment * (jnp.log(target) - jnp.log(self.research_intensity))
        )
        affordable = jnp.maximum(self.cash, 0.0) / p.runway
        self.research_intensity = jnp.clip(intensity, p.research_floor, p.research_ceiling)
        self.research_spending = jnp.minimum(self.research_intensity * outlook.research_cost, affordable)
        self.research_intensity = jnp.maximum(self.research_spending / outlook.research_cost, 0.2 * p.research_floor)
        worth = research.training_budget(self.marginal_value + outlook.standing, outlook, p)
        means = p.compute_budget_share * jnp.maximum(affordable - self.research_spending, 0.0)
        self.training_budget += p.research_adjustment * (jnp.minimum(worth, means) - self.training_budget)
