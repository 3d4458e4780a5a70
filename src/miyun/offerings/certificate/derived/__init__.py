"""Templates that a tenant derives from the platform's, within their bounds."""
