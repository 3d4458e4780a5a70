"""Keys of the platform's and the tenants' people: signing in with one, and signing again for what is dangerous."""
