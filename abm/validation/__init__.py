"""What the engine and the mechanisms are held against: published models and limiting cases."""
