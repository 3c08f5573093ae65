"""Kills `otel-bridge watch` again and again under load and compares what is left with a run that nobody disturbed."""
