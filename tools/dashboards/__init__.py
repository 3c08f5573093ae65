"""The Grafana dashboards as typed code: ``make dashboards`` writes grafana/dashboards/*.json from it."""
