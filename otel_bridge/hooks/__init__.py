"""The Stop hook that keeps a project's metrics fresh: its command, and its place in a client's settings (pure)."""
