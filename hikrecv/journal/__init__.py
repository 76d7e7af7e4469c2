"""What is kept: segments, index and ledger."""
