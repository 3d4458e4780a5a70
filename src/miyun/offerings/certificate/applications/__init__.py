"""The registration authority (RA, GM/T 0034): applications for certificates, their review and what became of them."""
