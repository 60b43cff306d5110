"""What can be chosen by variable or flag."""
