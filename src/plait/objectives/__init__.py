"""Pre-training objectives, one file each: what is hidden, and how well it was guessed."""
