"""Single sign-on for an application's people: OpenID Connect and CAS over one sign-in page, in the browser."""
