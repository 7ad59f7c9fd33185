"""What every part uses and no part of the model is: files, messages, workers, provenance."""
