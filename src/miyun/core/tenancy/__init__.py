"""Who there is: tenants, people and their separated duties, sessions, applications and their credentials.

The modules:
model          rows and the role table          store, applications/store   SQL
passwords      policy, hash                      people, sessions, grants    use cases of people
applications   applications, bindings, keys     authenticator, entitlements  the two questions of the pipeline
operations     the declarations of `account.*` and `tenant.*`
"""

from typing import Final

from miyun.core.i18n import Text

# Prefixes of operations that belong to no offering: nobody buys them, every tenant has them.
CORE_NAMES: Final = {
    "account": Text("账号与登录", "Accounts and sign-in"),
    "tenant": Text("租户与应用", "Tenants and applications"),
    "contract": Text("合同与权益", "Contracts and entitlements"),
    "usage": Text("用量", "Usage"),
    "audit": Text("审计", "Audit trail"),
}
CORE_OFFERINGS: Final = frozenset(CORE_NAMES)
