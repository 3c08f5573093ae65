"""Claude Code's own metrics: points as they come, and the counters of a session they add up to (pure)."""
