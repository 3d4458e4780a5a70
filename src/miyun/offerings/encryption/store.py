"""This room keeps nothing: keys are the key directory's, ciphertexts the caller's, and use is in the ledger."""
