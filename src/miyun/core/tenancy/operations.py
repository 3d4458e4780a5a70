"""Operations of accounts and tenants. Services by prefix: account → AccountService, tenant → TenantService."""

from __future__ import annotations

from typing import Final

from miyun.core.tenancy.account_operations import ACCOUNT_OPERATIONS
from miyun.core.tenancy.keys.operations import KEY_OPERATIONS
from miyun.core.tenancy.tenant_operations import TENANT_OPERATIONS

OPERATIONS: Final = ACCOUNT_OPERATIONS + KEY_OPERATIONS + TENANT_OPERATIONS
