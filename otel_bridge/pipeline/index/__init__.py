"""The index of all sessions: files in, rows and whole sessions out; work is proportional to what is new."""
