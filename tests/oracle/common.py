"""ODD 7.0: how to read the equations, and quantities that several phases use."""

import math

FLAGSHIP, EFFICIENT = 0, 1
TIERS = (FLAGSHIP, EFFICIENT)
SUBSCRIPTION, COMPLEMENT, OPEN_CORE, HOSTING = 1, 3, 4, 2
NOBODY = -1
NEVER = -50.0  # nats: a capability nobody has


def pos(x):
    return max(x, 0.0)


def clip(x, low, high):
    return min(max(x, low), high)


def logistic(x):
    return 1 / (1 + math.exp(-x))


def normal_cdf(x):
    return 0.5 * math.erfc(-x / math.sqrt(2))


def first_greatest(values):
    """Number of the greatest, the first of equals."""
    return max(range(len(values)), key=lambda i: (values[i], -i))


def product(lab, tier):
    """Number of a product among all products."""
    return 2 * lab + tier


def law(world, agent):
    """The regulator of an agent's home."""
    return world.regulators[agent.home]


def active_labs(world):
    return [(number, lab) for number, lab in enumerate(world.labs) if lab.active]


def quantity(adopter, lab, tier):
    """M tokens a month, also of labs that left."""
    return adopter.tokens[product(lab, tier)]


def frontier(world):
    return max(lab.capability[t] for _, lab in active_labs(world) for t in TIERS)


def open_frontier(world):
    """At least -30 if there is a closed lab or a slot."""
    floor = [-30.0] if any(not (lab.open and lab.active) for lab in world.labs) else []
    return max([lab.capability[t] for _, lab in active_labs(world) if lab.open for t in TIERS] + floor)


def trend_growth(p):
    """g_e: nats of algorithmic efficiency a month."""
    return math.log(2) / p.algorithmic_doubling_time


def price_response(p):
    """B: how far a price follows a report (Fischer and Verrecchia 2000)."""
    u = math.sqrt(3) * p.claim_motive_sd / (p.claim_bias_cost * p.claim_value_sd)
    if u <= 1e-6:
        return 1 - u**2 / 3
    return 2 / u * math.sinh(math.asinh(3 * u / 2) / 3)


def own_candidate(lab, p):
    """ODD 7.3: what a lab could release from its own run."""
    return lab.efficiency + math.log(max(lab.run_compute, 1e-9) / p.reference_compute)


def candidate(lab, p):
    """ODD 7.3: the best a lab could release now."""
    return max(own_candidate(lab, p), lab.distilled, lab.copied)


def is_forkable(lab, p):
    return lab.active and lab.open and lab.licence > p.licence_needed


def adoption(world, p):
    """Logistic diffusion, one at the start."""
    late = 1 / (1 + math.exp(-p.adoption_speed * (world.month - p.adoption_midpoint) / 12))
    early = 1 / (1 + math.exp(p.adoption_speed * p.adoption_midpoint / 12))
    return late / early
