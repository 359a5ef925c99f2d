"""Runs: the Lightning module, recipes, records."""
