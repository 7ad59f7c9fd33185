"""Infrastructure shared by all parts of the package and independent of the model: files, messages, workers, provenance."""
