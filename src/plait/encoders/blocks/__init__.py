"""What two families of encoders share."""
