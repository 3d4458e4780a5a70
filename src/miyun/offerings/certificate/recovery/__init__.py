"""An escrowed encryption key given back (GM/T 0034): asked for by one person, granted by two others, delivered once."""
