"""Files to and from `Protein`, and the geometry of a `Protein`. numpy only."""
