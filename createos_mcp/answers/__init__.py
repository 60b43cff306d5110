"""What a model reads: results, advice, and what is left out, masked or framed."""
