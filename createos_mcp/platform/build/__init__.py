"""From uploaded files to a release."""
