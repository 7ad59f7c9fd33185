"""The axes of the model's arrays, each in one place: what lies along them, in order.

docs/explanation/axes.md says where each is used. Vendors, labs, adopters and investors are axes, too; how many there are
is `abm.market.populations.Populations`' to say.
"""

DAYS = 21
"""Trading days of every month (axis D)."""

TIERS = 2
TIER_NAMES = ("flagship", "efficient")
"""Products of a lab (axis T): its best model, and a smaller one."""

STAGES = 3
"""Months that ordered machines spend under construction, and chip capacity under expansion: the stages of a delay."""

JURISDICTIONS = ("us", "china", "eu", "row")
"""Where firms and users have their home (axis R); `row` is the rest of the world."""

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
"""Policy instruments of a jurisdiction (axis I): lowest and highest value, unit."""

QUESTIONS = ("compute_intensity", "appropriability", "policy_tightness", "credibility")
"""What investors disagree on (axis Q)."""

NETWORK_LAYERS = ("supply", "access", "ownership", "information", "peers", "usage", "jurisdiction")
"""Layers of the multilayer network."""

NODE_ROLES = ("vendors", "labs", "adopters", "investors", "regulators", "infrastructure")
"""Values of the node attribute `role` in a network that the model exports."""

PRICING = ("posted", "flexible", "nash")
"""How labs set prices: see `abm.market.state.Equations`."""

PRICE_FORMS = ("log", "linear")
"""How a price enters utility."""
