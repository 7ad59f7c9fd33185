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
    luck = Field(0.0, "sd", "productivity in research, log, of late")
    run_compute = Field(0.0, "H100e months", "compute accumulated by the training run", symbol="C_l")
    run_cost = Field(0.0, "$ M", "rent of the machines of the current run")
    own_best = Field(NEVER, "nats", "flagship that came last from a run of its own")
    own_cost = Field(0.0, "$ M", "rent of the machines of that run")
    base_cost = Field(
        0.0, "$ M", "of the run that its flagship rests on, its own or one of a lab whose weights it builds on"
    )
    training = Field(0.0, "H100e", "machines that train", symbol="H_l")
    serving = Field(0.0, "H100e", "machines that serve tokens of its models")
    training_budget = Field(0.0, "$ M per month", "rent that it spends on training")
    training_bill = Field(0.0, "$ M per month", "rent of the machines that train")
    programme_cost = Field(500.0, "$ M", "research wages and compute so far")
    research_intensity = Field(1.0, "", "research spending relative to the industry's trend", symbol="R_l")
    research_spending = Field(20.0, "$ M per month", "research wages")
    distilled = Field(NEVER, "nats", "capability reached by distillation", symbol="d_l")
    copied = Field(NEVER, "nats", "capability reached by copying open weights")
    untaught = Field(NEVER, "nats", "best flagship released without a teacher")

    # links to other labs: teachers that it distils, the weights it builds on, and what it does to its own students
    exchanges = Field(0.0, "M exchanges per month", "exchanges with each teacher", symbol="x_lm", shape=("lab",))
    link_age = Field(0.0, "months", "for which it has distilled each lab without a break", shape=("lab",))
    access_cut = Field(0.0, "months", "remaining months without access to each lab", shape=("lab",))
    taught_by = Field(-1, "", "lab that has taught its distilled model most (-1: none)", dtype=int)
    exchanges_used = Field(
        0.0, "M exchanges", "with each teacher since its last flagship, as far as it saw", shape=("lab",)
    )
    copied_from = Field(-1, "", "lab whose open weights it builds on (-1: none)", dtype=int)
    fork_age = Field(0.0, "months", "for which it has built on them")
    source = Field(-1, "", "lab to which its flagship owes capability (-1: none)", dtype=int)
    distilled_share = Field(0.0, "", "share of released capability owed to teachers or copied weights")
    lineage = Field(0.0, "share", "of its flagship's capability owed to the weights of each lab", shape=("lab",))
    royalty = Field(0.0, "share", "of its income that owners of weights get")
    vigilance = Field(0.0, "", "towards each lab's account: it limits exchanges and detects students", shape=("lab",))
    hidden = Field(0.0, "nats", "how much less an exchange teaches each lab, since reasoning is hidden", shape=("lab",))

    # courts
    case_left = Field(0.0, "months", "until its case is decided (0: there is none)")
    claimant = Field(-1, "", "lab that sues it (-1: none)", dtype=int)
    taught_sales = Field(0.0, "$ M", "sales of models owed to teachers on which no court has ruled")
    legal_exposure = Field(0.0, "$ M", "damages not yet paid")

    # what it has seen
    behind = Field(False, "", "labs that its flagship was ahead of at its release", shape=("lab",), dtype=bool)
    matched = Field(-1.0, "months", "since one of them matched it (-1: none has)")
    lead_months = Field(0.0, "months", "in which its flagships were ahead, a moving sum")
    leads_ended = Field(0.0, "", "times that they were matched, a moving sum")
    rent_share = Field(0.0, "share", "of users' spending on tokens that was its gross profit last month")
    rents_seen = Field(
        0.0, "share", "that share in months without a release, ahead and matched, moving sums", shape=("pair",)
    )
    rents_lost = Field(
        0.0, "share", "by how much it fell in those months, ahead and matched, moving sums", shape=("pair",)
    )
    awards_seen = Field(0.0, "$ M per month", "damages and fees from other labs, a slow mean")
    leak = Field(
        0.0, "nats, M exchanges", "by which its students' releases came nearer, and what they saw", shape=("pair",)
    )
    caught_seen = Field(
        0.0, "times, M exchanges x effort", "that it was detected, and what it had risked", shape=("pair",)
    )

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
    tier_slope = Field(1.0, "per nat", "slope of ln worth in capability at the tier's customers", shape=("tier",))

    # money and machines
    cash = Field(3_000.0, "$ M", "cash on hand")
    funded = Field(0.0, "$ M per month", "money raised from owners")
    revenue = Field(0.0, "$ M per month", "income from customers")
    profit = Field(0.0, "$ M per month", "revenue minus all current costs")
    lerner = Field(0.5, "", "sales-weighted Lerner index", symbol="L_l")
    gross_profit = Field(0.0, "$ M per month", "income less the cost of serving")
    nat_value = Field(
        0.0, "$ M per month per nat", "what it would earn more with models a nat better, royalties taken off"
    )
    marginal_value = Field(0.0, "$ M per month per nat", "what it would earn more with models a nat better")
    distressed = Field(0.0, "months", "consecutive months with negative cash")

    # --- research -----------------------------------------------------------------------------------------------

    def research(self, p, workplace, luck, efficiency_gain):
        """Add own progress (with luck, faster under scarcity) and spillovers from published research; continue training."""
        self.luck = research.persistent_luck(self.luck, luck, p)
        self.efficiency += (
            research.own_progress(self.research_intensity, self.luck, workplace.scarcity, p)
            + research.spillover(self.efficiency, workplace.published_efficiency, p)
            + efficiency_gain
        )
        self.run_compute += self.training
        self.run_cost += self.training_bill
        self.programme_cost += self.training_bill + self.research_spending

    def choose_exchanges(self, p, teaching):
        """Distil each teacher until the last exchange gains no more than its price and its expected penalty."""
        gap = jnp.maximum(teaching.ceiling - self.known(p), 0.0)
        worth = jnp.maximum(self.nat_value, 0.0) * teaching.duration * teaching.kept
        gap = jnp.where(self.access_cut <= 0, gap, 0.0)
        self.exchanges = imitation.optimal_exchanges(gap, worth, teaching, p)

    def choose_parent(self, p, teaching):
        """Build on the open weights that bring most, what their owners ask taken off; -1 where none brings anything."""
        known = jnp.maximum(self.copied, self.untaught)
        present = jnp.arange(teaching.weights.size) == self.copied_from
        gap = imitation.gaps_to_parents(teaching.weights, known, present, p)
        value = imitation.value_of_parents(gap, self.marginal_value, teaching.fee, self.royalty, self.revenue)
        return jnp.where(value.max() > 0, jnp.argmax(value), -1)

    def imitate(self, p, teaching):
        """Close the gap to teachers by distillation, and to the weights of a parent by building on them."""
        self.distilled, added = imitation.distil(self.distilled, self.known(p), self.exchanges, teaching, p)
        self.taught_by = jnp.where(added.sum() > 0, jnp.argmax(added), self.taught_by)
        self.exchanges_used += teaching.clear * self.exchanges
        self.link_age = jnp.where(self.exchanges > 0, self.link_age + 1, 0.0)
        self.access_cut = jnp.maximum(self.access_cut - 1, 0.0)
        parent, before = self.choose_parent(p, teaching), self.copied
        copied = imitation.copy(before, self.untaught, teaching.weights[parent], p)
        self.copied = jnp.where(parent >= 0, copied, before)
        new = self.copied > before
        self.fork_age = jnp.where(new & (parent != self.copied_from), 1.0, self.fork_age + 1)
        self.copied_from = jnp.where(new, parent, self.copied_from)

    # --- enforcement --------------------------------------------------------------------------------------------

    def defend(self, p, threat):
        """Limit accounts and hide reasoning from them up to the point where that costs what it saves."""
        hidden = enforcement.hiding(threat.loss, threat.exchanges, p)
        left = threat.loss * jnp.exp(-hidden) - threat.paid
        self.hidden = jnp.where(threat.student, hidden, 0.0)
        self.vigilance = jnp.where(threat.student, enforcement.vigilance(left, p) + threat.alarm, 0.0)

    def answer_case(self, p, case):
        """If caught, lose access to the teacher and be sued; if a suit is lost, owe damages and give up distilled capability.

        Courts take their time and decide one case of a lab at once. Damages follow the sales of what teachers taught. The lab
        falls back on the best capability it has without a teacher: a release, the current run, or a copy.
        """
        self.access_cut = jnp.where(case.detected, p.access_cut_months, self.access_cut)
        risked = (self.exchanges * case.effort).sum()
        seen = jnp.stack([case.detected.sum() * 1.0, risked])
        self.caught_seen = (1 - p.lead_forgetting) * self.caught_seen + seen
        self.taught_sales += case.owed * self.revenue
        decided = self.case_left == 1
        lost = decided & case.lost
        self.legal_exposure += jnp.where(lost, p.damages_multiple * self.taught_sales, 0.0)
        self.taught_sales = jnp.where(decided, 0.0, self.taught_sales)
        clean = jnp.maximum(self.untaught, self.untaught_candidate(p))
        enjoined = lost & (self.distilled_share > 0.0)
        self.capability = jnp.where(enjoined, jnp.minimum(self.capability, clean), self.capability)
        owed = 1 - jnp.exp(jnp.minimum(jnp.maximum(self.own_candidate(p), self.own_best), clean) - clean)
        self.distilled_share = jnp.where(enjoined, owed, self.distilled_share)
        self.source = jnp.where(enjoined, jnp.where(owed > 0, self.copied_from, -1), self.source)
        self.distilled = jnp.where(lost, NEVER, self.distilled)
        sued = case.detected.any() & (self.case_left <= 0)
        self.claimant = jnp.where(sued, jnp.argmax(jnp.where(case.detected, self.exchanges, -1.0)), self.claimant)
        self.case_left = jnp.where(
            sued, jnp.maximum(jnp.round(p.court_time), 1.0), jnp.maximum(self.case_left - 1, 0.0)
        )

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

    def known(self, p):
        """Best capability the lab has, on sale or ready to be: what more it learns starts from there."""
        return jnp.maximum(self.candidate(p), self.capability[0])

    def release(self, p, news):
        """Release a tier once it improves by a threshold, or is old; the efficient tier is distilled from the flagship.

        Imitation makes a model better, not larger: a distilled one keeps the lab's size, and a copy has its parent's. A
        release that a scenario imposes keeps size and run. A model of one's own is as large as pays
        (`conduct.best_overtraining`); one that comes sooner after the last than a run takes is hurried, and worse for it.
        """
        own, best = self.own_candidate(p), self.candidate(p)
        forked = (self.copied >= self.distilled) & (self.copied > own)
        from_own = ~news.forced & (own >= best)
        less = conduct.best_overtraining(self.tier_slope, p)
        lost = conduct.overtraining_losses(p) * less**2
        hurried = p.hurry_loss * jnp.square(jnp.maximum(1 - (self.age[0] + 1) / p.training_months, 0.0))
        own_size = research.optimal_size(self.run_compute, p) - (less[0] - conduct.USUAL)
        kept = jnp.where(forked & (self.copied_from >= 0), news.parent_size, self.model_size[0]) + news.size_step
        flagship = jnp.where(
            news.forced,
            news.capability,
            jnp.where(from_own, best - hurried - lost[0] + conduct.overtraining_losses(p)[0] * conduct.USUAL**2, best),
        )

        offer = jnp.array([flagship, self.capability[0] - lost[1]])
        size = jnp.array([jnp.where(from_own, own_size, kept), self.model_size[0] - less[1]])
        gain = offer - self.capability
        threshold = p.release_threshold * jnp.array([1.0, p.efficient_tier_threshold])
        due = (gain >= threshold) | ((self.age >= p.maximum_age) & (gain > SMALLEST_GAIN))
        out = (due & (news.luck < p.release_hazard)) | jnp.array([news.forced, False])

        self.true_cost = jnp.where(out[0], self.programme_cost, self.true_cost)
        ours = jnp.maximum(own, self.own_best)
        rests_on = jnp.where(own >= self.own_best, self.run_cost, self.own_cost)
        rests_on = jnp.where((self.copied > ours) & (self.copied_from >= 0), news.parent_cost, rests_on)
        self.base_cost = jnp.where(out[0], rests_on, self.base_cost)
        reported = jnp.where(news.claimed_cost > 0, news.claimed_cost, news.report_ratio * rests_on)
        self.claimed_cost = jnp.where(out[0], reported, self.claimed_cost)
        base = jnp.minimum(ours, best)
        owed = 1 - jnp.exp(base - best)
        self.distilled_share = jnp.where(out[0], owed, self.distilled_share)
        source = jnp.where(owed > 0, jnp.where(forked, self.copied_from, self.taught_by), -1)
        self.source = jnp.where(out[0], source, self.source)
        built_on = jnp.exp(jnp.clip(self.copied, base, best) - best) - jnp.exp(base - best)  # what the parent brought
        built_on = jnp.where(self.copied_from >= 0, built_on, 0.0)
        lineage = built_on * news.parent_lineage + (1 - built_on) * news.itself
        self.lineage = jnp.where(out[0], lineage, self.lineage)
        self.exchanges_used = jnp.where(out[0], 0.0, self.exchanges_used)
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
        self.own_best = jnp.where(new_run, self.capability[0], self.own_best)
        self.own_cost = jnp.where(new_run, self.run_cost, self.own_cost)
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
        """Unit cost, counted before the royalty that income carries, less what a complement earns on the token."""
        gain = jnp.where(self.monetisation == COMPLEMENT, jnp.minimum(p.complement_benefit, 0.98), 0.0)
        return self.token_cost * (1 / (1 - self.royalty) - gain)

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
            + books.royalties
            + books.damages
            + books.defence
        )
        self.revenue = books.income
        self.funded = books.funding
        self.lerner = books.lerner
        self.gross_profit = books.income - books.serving
        self.profit = books.income + books.rent + books.tuition + books.awards + books.licences - costs
        self.legal_exposure = self.legal_exposure - books.damages
        self.cash += self.profit + books.funding - books.machines
        self.distressed = jnp.where(self.cash < 0, self.distressed + 1, 0.0)

    def watch_lead(self, p, seen):
        """Learn how long flagships stay ahead of labs that were behind them, how fast rents then fall, and what awards come.

        Moving sums forget a share `lead_forgetting` a month. Months with a release of its own tell nothing of what rivals take.
        """
        fresh, fade = self.released[0], 1 - p.lead_forgetting
        self.behind = jnp.where(fresh, seen.below, self.behind)
        rivals = self.behind & (seen.below | seen.level)  # a lab that left matches nobody
        was_matched = self.matched >= 0
        ahead = rivals.any() & (~was_matched | fresh)
        caught = ahead & (rivals & seen.level).any()
        self.lead_months = fade * self.lead_months + (ahead & ~caught)
        self.leads_ended = fade * self.leads_ended + caught
        older = jnp.where(was_matched, self.matched + 1, -1.0)
        self.matched = jnp.where(caught, 0.0, jnp.where(fresh, -1.0, older))
        state = jnp.where(self.released.any(), 0.0, jnp.stack([ahead, ~ahead]))
        self.rents_seen = fade * self.rents_seen + state * self.rent_share
        self.rents_lost = fade * self.rents_lost + state * (self.rent_share - seen.rent)
        self.rent_share = seen.rent
        self.awards_seen = fade * self.awards_seen + p.lead_forgetting * seen.awards

    def plan(self, p, outlook):
        """Plan R&D and training so that the value of a nat of lead while it lasts covers their cost and the option to wait.

        Marginal value x months of it that a lead is worth + awards = option multiple x marginal cost (Dixit and Pindyck 1994,
        ch. 5-6).
        """
        self.nat_value = (1 - self.royalty) * self.marginal_value
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
