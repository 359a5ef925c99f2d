"""Sets on disk, their splits and batches, and the reading of mutations."""
