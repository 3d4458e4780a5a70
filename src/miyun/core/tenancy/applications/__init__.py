"""Applications of a tenant, their bindings to instances (应用接入) and their credentials."""
