"""Attention to news: exposure, threshold contagion, fatigue."""

import jax.numpy as jnp


def exposure(salience, p):
    """Daily probability of hearing salient news directly, 1 - (1 - a0) exp(-a1 salience)."""
    return 1 - (1 - p.base_attention) * jnp.exp(-p.news_exposure * salience)


def is_talked_about(salience, p):
    """Whether people talk about the news: its salience exceeds the floor, and `attention_contagion` is on."""
    return (salience > p.salience_floor) & (p.attention_contagion > 0.5)


def contagion(neighbours_attentive, threshold, salience, p):
    """Whether an agent becomes attentive: people talk, and the attentive share of its neighbours reaches its threshold.

    Threshold (complex) contagion: Granovetter 1978; Watts 2002.
    """
    return (neighbours_attentive >= threshold) & is_talked_about(salience, p)


def fatigue(p):
    """Daily probability of losing interest, one over the attention span in days."""
    return 1 / p.attention_span


def fading(salience, arriving, p):
    """Salience of the current story: yesterday's salience, decayed, plus that of today's news."""
    return salience * jnp.exp(-1 / p.story_life) + arriving
