"""What a running bridge answers over HTTP: metrics for Prometheus, health, a page for people (I/O)."""
