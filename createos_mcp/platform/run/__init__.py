"""What runs, and for how long."""
