"""What is held of outside authorities' revocations: their lists in pages, answers of their responders."""
