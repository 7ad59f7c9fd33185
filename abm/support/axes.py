"""The axes of the model's arrays, each defined once: their entries, in order.

docs/explanation/axes.md says where each is used. Vendors, labs, adopters and investors are axes as well; their lengths
are set by `abm.market.populations.Populations`.
"""

DAYS = 21
"""Trading days in every month (axis D)."""

TIERS = 2
TIER_NAMES = ("flagship", "efficient")
"""Models of a lab (axis T): its best one, and a smaller one."""

OFFER_NAMES = (*TIER_NAMES, "subscription")
OFFERS = len(OFFER_NAMES)
"""What a lab sells (axis O): tokens of each of its models, and a subscription with its flagship for consumers."""
SUBSCRIPTION_OFFER = OFFERS - 1

STAGES = 3
"""Stages of the delay during which places, or chip capacity, are under construction."""

GENERATIONS = 6
"""Generations of machines (axis G): A100, H100, B200 and what follows; the last one holds all later ones."""

OPERATORS = ("platform_1", "platform_2", "platform_3", "platform_4", "neocloud", "cloud_china", "cloud_eu", "cloud_row")
"""Firms that rent machines out (axis K): four large platforms, the smaller clouds of the United States, clouds elsewhere."""

PROGRAMMES = 8
"""Slots for announced investment programmes (axis P)."""

JURISDICTIONS = ("us", "china", "eu", "row")
"""Home jurisdictions of firms and users (axis R); `row` is the rest of the world."""

INSTRUMENTS = {
    "ip_strength": (0.0, 1.0, "probability that a proven case is won"),
    "ip_clarity": (0.0, 1.0, "1 - spread of the outcomes of equal cases"),
    "enforcement_effort": (0.0, 100.0, "added to the teacher's own vigilance"),
    "compliance_fixed": (0.0, 1e5, "$ M per month"),
    "compliance_proportional": (0.0, 1.0, "share of revenue"),
    "permitting_lag": (0.0, 240.0, "months"),
    "power_growth": (-1.0, 10.0, "per year"),
    "policy_uncertainty": (0.0, 10.0, "standard deviation"),
}
"""Policy instruments of a jurisdiction (axis I): lowest value, highest value, unit or meaning."""

QUESTIONS = ("compute_intensity", "appropriability", "policy_tightness", "credibility")
"""Questions on which investors disagree (axis Q)."""

NETWORK_LAYERS = ("supply", "rental", "access", "descent", "ownership", "information", "peers", "usage", "jurisdiction")
"""Layers of the multilayer network."""

NODE_ROLES = (
    "vendors", "operators", "programmes", "labs", "adopters", "investors", "regulators", "infrastructure",
)  # fmt: skip
"""Values of the node attribute `role` in exported networks."""

PRICING = ("posted", "flexible", "nash")
"""Ways for labs to set prices: see `abm.market.state.Equations`."""
