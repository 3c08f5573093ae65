"""Records of one session → ``Session`` (pure)."""
