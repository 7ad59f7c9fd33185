"""Parameters: news, beliefs and trading in shares."""

from __future__ import annotations

from pydantic import BaseModel

from abm.parameters.quantities import BY_HAND, Number, fitted, quantity


class Shares(BaseModel):
    """News, beliefs and trading in shares."""

    # --- the crash of January 2025 ----------------------------------------------------------------------------------
    crash_capacity: Number = quantity(1, 0, 1, "M_a", "", "mechanism (a): saturating demand or binding capacity")
    crash_rents: Number = quantity(1, 0, 1, "M_b", "", "mechanism (b): lower rents of labs, lower capex")
    crash_rivals: Number = quantity(1, 0, 1, "M_c", "", "mechanism (c): rivals and export rules")
    crash_beliefs: Number = quantity(1, 0, 1, "M_d", "", "mechanism (d): narrative and diagnostic over-reaction")
    narrative_loading: Number = quantity(
        0.05, 0, 5, "", "", "how far the story 'less compute, fewer chips' moves values", "Shiller 2017"
    )
    diagnostic_weight: Number = fitted(
        "diagnostic_weight",
        0,
        20,
        "theta_D",
        "",
        "over-weighting of news relative to the reference",
        "Bordalo, Gennaioli and Shleifer 2018: about 1",
    )
    reference_adjustment: Number = fitted(
        "reference_adjustment", 0, 1, "", "per day", "speed at which news becomes the reference"
    )
    chip_rent_exposure: Number = quantity(0.33, 0, 5, "", "", "loading of chip makers on appropriability", BY_HAND)
    chip_policy_exposure: Number = quantity(0.22, 0, 5, "", "", "loading of chip makers on policy tightness", BY_HAND)
    power_leverage: Number = fitted(
        "power_leverage", 0, 20, "", "", "power firms' loading relative to the quantity of compute"
    )
    platform_exposure: Number = quantity(0.0, -5, 5, "", "", "platforms' loading relative to the quantity of compute")
    platform_rent_exposure: Number = quantity(0.02, -5, 5, "", "", "platforms' loading on appropriability")
    application_rent_exposure: Number = fitted(
        "application_rent_exposure", -5, 5, "", "", "loss of applications when labs keep the rents"
    )
    closed_rent_exposure: Number = quantity(0.4, 0, 5, "", "", "loading of closed labs on appropriability")
    open_rent_exposure: Number = quantity(0.2, 0, 5, "", "", "gain of open labs when labs do not keep the rents")

    # --- news and beliefs -------------------------------------------------------------------------------------------
    claim_value_sd: Number = quantity(
        1.0, 1e-3, 10, "sd_f", "nats", "standard deviation of true log cost", "Fischer and Verrecchia 2000"
    )
    claim_motive_sd: Number = quantity(1.0, 0, 10, "sd_m", "nats", "standard deviation of the motive to shade")
    claim_bias_cost: Number = quantity(1.0, 1e-3, 100, "c", "", "cost of biasing a report")
    claim_precision: Number = quantity(
        12, 0, 1e4, "", "per nat^2", "precision of a cost claim to a full believer", BY_HAND
    )
    cost_to_intensity: Number = quantity(0.2, 0, 2, "", "", "nats of compute intensity per nat of training cost")
    audit_precision: Number = quantity(3.0, 0, 1e4, "tau_a", "per nat^2", "precision of an audit")
    audit_noise: Number = quantity(0.5, 0, 10, "", "nats", "standard deviation of an audit's error")
    capex_precision: Number = quantity(0.5, 0, 1e4, "", "per nat^2", "precision of a capex plan as news")
    capex_to_intensity: Number = quantity(
        0.3, 0, 5, "", "", "nats of intensity signalled by a plan the size of the scale"
    )
    capex_news_scale: Number = quantity(300_000, 1, 1e9, "", "$ M", "programme that counts as large")
    release_precision: Number = quantity(
        4.0, 0, 1e4, "", "per nat^3", "precision of a release as news, per nat of surprise"
    )
    gap_to_rents: Number = quantity(0.5, 0, 10, "", "", "nats of appropriability per nat of surprise in the race")
    rivals_to_tightness: Number = quantity(0.5, 0, 10, "", "", "nats of policy tightness per nat of a foreign surprise")
    earnings_precision: Number = quantity(
        1.0, 0, 1e4, "", "per nat^2", "precision of the leading vendor's orders as news"
    )
    earnings_day: Number = quantity(18, 0, 20, "", "trading day", "day on which earnings are published")
    orders_to_intensity: Number = quantity(0.3, 0, 5, "", "", "nats of intensity per nat of orders over capacity")
    release_salience: Number = quantity(0.5, 0, 100, "", "", "salience of a release per nat of surprise")
    belief_spread: Number = quantity(0.3, 0, 5, "", "nats", "standard deviation of initial opinions")
    belief_variance: Number = quantity(0.15, 1e-4, 10, "", "nats^2", "initial variance of each investor's belief")
    belief_drift: Number = quantity(0.0003, 0, 1, "", "nats^2 per day", "variance added by a changing world")
    susceptibility: Number = quantity(0.3, 0, 1, "Lambda", "", "mean weight on neighbours")
    social_influence: Number = quantity(0.5, 0, 1, "", "", "scale of that weight in one conversation")
    anchoring: Number = quantity(
        0.02, 0, 1, "", "per week", "return to the initial opinion", "Friedkin and Johnsen 1990"
    )
    credibility: Number = quantity(
        0.5, 0.01, 0.99, "w_c", "", "mean credibility given to cost claims", "assumption: 0.2-1"
    )
    credibility_spread: Number = quantity(0.8, 0, 5, "", "logits", "its spread across investors")
    base_attention: Number = quantity(0.015, 0, 1, "a_0", "per day", "baseline chance of reading the news")
    news_exposure: Number = quantity(
        0.017, 0, 10, "a_1", "per day", "chance per unit of salience of hearing a story", BY_HAND
    )
    attention_span: Number = quantity(5, 1, 250, "", "days", "how long interest lasts")
    attention_threshold: Number = quantity(
        0.6, 0, 1, "", "", "mean share of attentive neighbours that wakes an investor", BY_HAND
    )
    attention_contagion: Number = quantity(1, 0, 1, "", "", "1 with threshold contagion, 0 broadcast only")
    salience_floor: Number = quantity(3, 0, 100, "", "", "salience below which nobody talks about the news")
    story_life: Number = quantity(8, 0.5, 250, "", "days", "life of a story")

    # --- trading ----------------------------------------------------------------------------------------------------
    trend_share: Number = quantity(0.3, 0, 1, "", "", "trend followers at the start")
    trend_share_maximum: Number = quantity(0.6, 0, 1, "", "", "largest weight that an investor puts on trends")
    trend_strength: Number = quantity(3, 0, 50, "chi", "", "trend followers' extrapolation of average daily returns")
    strategy_switching: Number = quantity(1, 0, 1e3, "beta", "", "intensity of choice", "Brock and Hommes 1998")
    strategy_scale: Number = quantity(200, 0, 1e6, "", "", "unit of strategies' profits")
    demand_per_mispricing: Number = quantity(2.0, 0.01, 100, "tau_d", "", "position per log point of mispricing")
    market_depth: Number = quantity(0.3, 0.001, 100, "lambda", "", "market maker's depth", "Farmer 2002")
    inventory_aversion: Number = quantity(
        0.02, 0, 1, "", "per day", "quote shading of a dealer with inventory", "Ho and Stoll 1981"
    )
    noise_sd: Number = fitted("noise_sd", 1e-5, 0.2, "", "per day", "daily noise")
    broad_noise: Number = quantity(
        0.38,
        0.01,
        2,
        "",
        "",
        "daily noise of platforms and applications, layers of many firms, relative to that of one firm",
        "daily closes June 2024 to January 2025: 1.39 % (four platforms together) over 3.62 % (leading vendor)",
    )
    noise_correlation: Number = quantity(0.35, 0, 0.99, "", "", "share of the noise common to all assets")
    liquidity_feedback: Number = fitted(
        "liquidity_feedback",
        0,
        0.99,
        "phi",
        "",
        "how strongly past volatility reduces liquidity",
        "Brunnermeier and Pedersen 2009",
    )
    variance_update: Number = quantity(0.12, 0, 1, "", "per day", "memory of volatility", "RiskMetrics 0.94")
    momentum_update: Number = quantity(0.05, 0, 1, "", "per day", "memory of average returns")
    risk_premium: Number = quantity(0.05, 0, 10, "", "", "discount for unresolved doubt")
    short_sale_constraint: Number = quantity(0, 0, 1, "", "", "1 forbids negative positions", "Miller 1977")
    price_limit: Number = quantity(0.5, 0.01, 5, "", "per day", "largest daily log change (circuit breaker)")
    multiple_chips: Number = quantity(20, 0.1, 500, "", "years of sales", "value of a vendor")
    multiple_labs: Number = quantity(25, 0.1, 500, "", "years of sales", "value of a lab")
    multiple_layers: Number = quantity(20, 0.1, 500, "", "years of profit", "value of a listed layer")
    lab_option_slope: Number = quantity(1.0, 0, 5, "", "per nat", "fall of that value behind the frontier", BY_HAND)
    lab_option_multiple: Number = quantity(
        15,
        0,
        1e4,
        "",
        "years",
        "value of a lab at the frontier without sales, in spending of all users",
        "labs/FACTS row 11",
    )
    earnings_smoothing: Number = quantity(0.3, 0.01, 1, "", "per month", "how fast earnings enter valuations")
