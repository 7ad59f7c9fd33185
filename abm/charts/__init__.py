"""The style of figures, labels, fan charts, and figures in notebooks."""
