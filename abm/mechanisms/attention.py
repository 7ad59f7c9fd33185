"""Who hears the news: exposure, threshold contagion, fatigue."""

import jax.numpy as jnp


def exposure(salience, p):
    """Daily chance of hearing salient news directly, 1 - (1 - a0) exp(-a1 salience)."""
    return 1 - (1 - p.base_attention) * jnp.exp(-p.news_exposure * salience)


def is_talked_about(salience, p):
    """Whether there is something to talk about, and `attention_contagion` has people talk."""
    return (salience > p.salience_floor) & (p.attention_contagion > 0.5)


def contagion(neighbours_attentive, threshold, salience, p):
    """Wakes when the attentive share of neighbours reaches the threshold while there is something to talk about.

    Threshold (complex) contagion: Granovetter 1978; Watts 2002.
    """
    return (neighbours_attentive >= threshold) & is_talked_about(salience, p)


def fatigue(p):
    """Daily chance of losing interest, one over the attention span in days."""
    return 1 / p.attention_span


def fading(salience, arriving, p):
    """Salience of the running story: yesterday's, faded, plus today's."""
    return salience * jnp.exp(-1 / p.story_life) + arriving
