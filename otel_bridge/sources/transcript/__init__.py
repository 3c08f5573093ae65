"""Claude Code's JSONL transcripts: discover → read → decode → census/assemble → ``Session``.

``discover``, ``reader``, ``lines``, ``survey`` and ``load`` do the reading; everything else in this package is pure.
"""
