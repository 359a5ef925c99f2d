"""Structure encoders: proteins become vectors at residue, atom and protein level. One folder a family."""
