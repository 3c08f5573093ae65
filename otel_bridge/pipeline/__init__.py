"""The only wiring: sources → model → convert → sinks, and what the commands need of it."""
