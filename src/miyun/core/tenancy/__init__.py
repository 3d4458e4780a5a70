"""Who there is: tenants, people and their separated duties, sessions, applications and their credentials.

The modules:
model          rows and the role table          store, applications/store   SQL
passwords      policy, hash                      people, sessions, grants    use cases of people
applications   applications, bindings, keys     authenticator, entitlements  the two questions of the pipeline
operations     the declarations of `account.*` and `tenant.*`
"""
