"""Attention to news: exposure, threshold contagion, fatigue."""

import jax.numpy as jnp

from abm.support.shapes import Floats, Mask, Numbers
from abm.support.values import Values


def exposure(salience: Numbers, p: Values) -> Floats:
    """Daily probability of hearing salient news directly, 1 - (1 - a0) exp(-a1 salience)."""
    return 1 - (1 - p.base_attention) * jnp.exp(-p.news_exposure * salience)


def is_talked_about(salience: Numbers, p: Values) -> Mask:
    """Whether people talk about the news: its salience exceeds the floor, and `attention_contagion` is on."""
    return (salience > p.salience_floor) & (p.attention_contagion > 0.5)


def contagion(neighbours_attentive: Numbers, threshold: Numbers, salience: Numbers, p: Values) -> Mask:
    """Whether an agent becomes attentive: people talk, and the attentive share of its neighbours reaches its threshold.

    Threshold (complex) contagion: Granovetter 1978; Watts 2002.
    """
    return (neighbours_attentive >= threshold) & is_talked_about(salience, p)


def fatigue(p: Values) -> Numbers:
    """Daily probability of losing interest, one over the attention span in days."""
    return 1 / p.attention_span


def fading(salience: Numbers, arriving: Numbers, p: Values) -> Numbers:
    """Salience of the current story: yesterday's salience, decayed, plus that of today's news."""
    return salience * jnp.exp(-1 / p.story_life) + arriving
