"""What stands behind an endpoint: which program answers there, and what its configuration does to old telemetry."""
