"""The model of a replica: which version answers, and how many segments at once."""
