"""The lag of a follower who closes a fixed share of the gap to a growing leader per unit of time."""


def catch_up_lag(growth, own_growth, rate):
    """Steady-state time by which a follower lags a leader: (1 - g_F / g) / kappa, in the unit of 1 / rate.

    growth : g > 0, growth of the leader. own_growth : g_F, growth of the follower without copying, both in nats per unit
    of time. rate : kappa > 0, share of the gap closed per unit of time. Arrays that broadcast.

    Source: derived. The gap x obeys x' = g - g_F - kappa x, and the lag is x / g where x is steady.
    """
    return (1 - own_growth / growth) / rate
