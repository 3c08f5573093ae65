"""Claude Code's JSONL transcripts: discover → read → decode → census/assemble → ``Session``.

``discover`` and ``reader`` touch the disk; everything else in this package is pure.
"""
