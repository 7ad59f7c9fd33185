"""Parameters: public policy, by jurisdiction and overall."""

from __future__ import annotations

from pydantic import BaseModel

from abm.parameters.quantities import Lever, Number, quantity


class Policy(BaseModel):
    """Public policy, by jurisdiction and overall."""

    # --- policy levers, by jurisdiction -----------------------------------------------------------------------------
    ip_strength: Lever = quantity(
        0.4, 0, 1, "S_r0", "", "probability that a rights holder wins over copied or distilled capability"
    )
    ip_clarity: Lever = quantity(0.5, 0, 1, "Cl_r0", "", "1 minus the spread of that probability across cases")
    enforcement_effort: Lever = quantity(0.2, 0, 10, "E_r0", "", "public effort to detect distillation")
    compliance_fixed: Lever = quantity(
        0.5,
        0,
        1e4,
        "F_r0",
        "$ M per month",
        "fixed compliance cost of a lab",
        "assumption; published costs are contested (CEPS)",
    )
    compliance_proportional: Lever = quantity(0.01, 0, 0.9, "c_r0", "share of revenue", "proportional compliance cost")
    permitting_lag: Lever = quantity(
        4, 0.5, 120, "L_r0", "months", "time for permits and grid connection before machines come online"
    )
    power_growth: Lever = quantity(0.5, -1, 3, "G_r0", "per year", "growth of power available to compute")
    policy_uncertainty: Lever = quantity(
        0.1, 0, 2, "u_r0", "", "standard deviation of the difference between announced and enacted policy"
    )

    # --- public policy and politics ---------------------------------------------------------------------------------
    guarantee_share: Number = quantity(0.1, 0, 1, "g", "", "share of losses that the public bears")
    guarantee_insurance: Number = quantity(
        0.5, 0, 1, "g_v", "", "how far a guarantee removes risk from a lab's planning"
    )
    policy_adjustment: Number = quantity(
        0.1, 0, 1, "a_r", "per month", "adjustment of an instrument towards its target"
    )
    policy_response: Number = quantity(
        0.1, 0, 2, "b_r", "", "effect of lobbying, rivalry, safety and users on policy targets"
    )
    lobbying_scale: Number = quantity(
        500, 1, 1e6, "pi_0", "$ M per month", "profit of closed labs at which lobbying is strong"
    )
    risk_threshold: Number = quantity(
        6, -5, 40, "k_risk", "nats", "capability of open models above which regulators worry"
    )
    export_leakage: Number = quantity(
        0.06,
        0,
        1,
        "",
        "share",
        "share of embargoed chips that arrive nevertheless",
        "CNAS 2025: median 6 % of inference compute",
    )
    leakage_premium: Number = quantity(
        0.5, 0, 10, "", "share of price", "what a leaked chip costs over its list price", "assumption"
    )
    export_reach: Number = quantity(-0.5, -50, 50, "z_0", "utils", "lock-in below which a vendor hardly sells abroad")
