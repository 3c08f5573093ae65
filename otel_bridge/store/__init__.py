"""The local index: SQLite tables of what sessions did, and the questions asked of them (I/O)."""
