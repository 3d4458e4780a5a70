"""The key-management centre (KMC, GM/T 0034): encryption keys made for holders, kept, and given back."""
