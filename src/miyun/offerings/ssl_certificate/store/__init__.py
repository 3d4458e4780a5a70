"""Tables and queries of the SSL certificate room."""
