"""What confines builds and apps."""
