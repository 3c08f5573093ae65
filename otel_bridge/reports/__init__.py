"""What sessions add up to, in the shapes that files and people want (pure)."""
