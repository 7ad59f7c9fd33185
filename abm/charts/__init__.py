"""How every figure looks: style, labels, fans, and figures in notebooks."""
