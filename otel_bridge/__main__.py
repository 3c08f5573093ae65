"""``python -m otel_bridge`` is the same as the ``otel-bridge`` command."""

from otel_bridge.cli import main

if __name__ == "__main__":
    main()
