"""Records of one session → ``Session``: entries → lanes → calls, tools, agents → turns (pure)."""
