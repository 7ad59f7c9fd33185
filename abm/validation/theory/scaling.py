"""Scaling laws: loss of a language model as a function of size and data, and the optimal split of a training budget."""

from typing import Any, NamedTuple

import jax.numpy as jnp

from abm.mechanisms.demand import reject

FLOP_PER_TOKEN = 6.0  # per parameter: C = 6 N D (Kaplan et al. 2020)


class ScalingLaw(NamedTuple):
    """Loss E + A / N^a + B / D^b, nats per token, of a model with N parameters trained on D tokens."""

    irreducible: Any  # E
    parameter_scale: Any  # A
    token_scale: Any  # B
    parameter_exponent: Any  # a
    token_exponent: Any  # b


HOFFMANN = ScalingLaw(1.69, 406.4, 410.7, 0.34, 0.28)
"""Hoffmann et al. (2022, arXiv 2203.15556), parametric fit. It implies far more tokens per parameter than the authors used."""
BESIROGLU = ScalingLaw(1.8172, 482.01, 2085.43, 0.3478, 0.3658)
"""Besiroglu et al. (2024, arXiv 2404.10102): a refit of the same data."""


def reducible_loss(parameters, tokens, law=BESIROGLU):
    """Loss above the irreducible loss: A / N^a + B / D^b.

    parameters, tokens : N, D > 0, pure numbers. Arrays that broadcast. Returns nats per token.
    Raises ValueError for concrete numbers that are not positive. Source: Hoffmann et al. (2022), equation 2.
    """
    reject(parameters, lambda x: ~(x > 0), "parameters must be positive: give the number of weights")
    reject(tokens, lambda x: ~(x > 0), "tokens must be positive: give the number of training tokens")
    size = law.parameter_scale * jnp.asarray(parameters, dtype=float) ** -law.parameter_exponent
    return size + law.token_scale * jnp.asarray(tokens, dtype=float) ** -law.token_exponent


def compute_optimal(flop, law=BESIROGLU):
    """Size and data that minimize the loss for a training budget of C = 6 N D.

    N = G (C / 6)^(b / (a + b)), D = (C / 6) / N, G = (a A / (b B))^(1 / (a + b)); the reducible loss then falls with
    C^(-a b / (a + b)).

    flop : C > 0, floating-point operations, any shape. Returns (parameters, tokens).
    Raises ValueError for a concrete budget that is not positive. Source: Hoffmann et al. (2022), equation 4.
    """
    reject(flop, lambda x: ~(x > 0), "flop must be positive: give the operations of the whole training run")
    budget = jnp.asarray(flop, dtype=float) / FLOP_PER_TOKEN
    a, b = law.parameter_exponent, law.token_exponent
    ratio = a * law.parameter_scale / (b * law.token_scale)
    parameters = ratio ** (1 / (a + b)) * budget ** (b / (a + b))
    return parameters, budget / parameters
