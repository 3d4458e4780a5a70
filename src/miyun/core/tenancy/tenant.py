"""The tenant service: grants to supplier staff, applications, bindings and credentials as operations."""

from __future__ import annotations

import asyncio
from datetime import datetime

from miyun.core.errors import InvalidArgument, NotFound
from miyun.core.i18n import Text
from miyun.core.ids import new_id
from miyun.core.ledger.port import Ledger
from miyun.core.listing import exporting
from miyun.core.operation import Call, Empty, Role
from miyun.core.tenancy import messages as m
from miyun.core.tenancy.applications import exports
from miyun.core.tenancy.applications.directory import Applications
from miyun.core.tenancy.applications.store import ACCESS_KEYS, APPLICATIONS, BINDINGS, CREDENTIALS
from miyun.core.tenancy.authenticator import TOPIC_GRANT
from miyun.core.tenancy.model import (
    GRANT_MAX,
    AccessKey,
    Application,
    BasicAccess,
    Binding,
    Grant,
    PersonState,
    Tenant,
    credential_state,
)
from miyun.core.tenancy.people import page
from miyun.core.tenancy.store import GRANTS, TenancyStore


class TenantService:
    """`applications` is public: the onboarding wizard uses it too."""

    def __init__(self, *, store: TenancyStore, applications: Applications, ledger: Ledger) -> None:
        self._store = store
        self.applications = applications
        self._ledger = ledger

    async def check_connection(self, call: Call, request: Empty) -> m.Connection:
        """What the pipeline did before and does after is the check."""
        return m.Connection(tenant=call.require_tenant(), principal=call.principal.id, at=call.now)

    async def list_tenants(self, call: Call, request: m.Page) -> m.TenantList:
        found = await asyncio.to_thread(self._store.list_tenants, after=request.cursor or "", limit=request.limit + 1)
        items, cursor = page(found, request.limit)
        return m.TenantList(items=[_tenant(tenant) for tenant in items], next_cursor=cursor)

    # grants

    async def create_grant(self, call: Call, request: m.CreateGrant) -> m.GrantView:
        starts_at = request.starts_at or call.now
        if starts_at.tzinfo is None or request.ends_at.tzinfo is None:
            raise InvalidArgument("ends_at", Text("时间须带时区。", "times need their zone."))
        if request.ends_at <= max(starts_at, call.now) or request.ends_at - starts_at > GRANT_MAX:
            raise InvalidArgument(
                "ends_at",
                Text("时段须在将来且不超过 72 小时。", "it must end in the future and last up to 72 hours."),
            )
        found = await asyncio.to_thread(self._store.person_by_login, request.staff.strip().lower())
        staff = found[0] if found else None
        if staff is None or Role.SUPPLIER_STAFF not in staff.roles or staff.state != PersonState.ACTIVE:
            raise NotFound("staff", request.staff)
        grant = Grant(
            id=new_id("grt"),
            tenant=call.require_tenant(),
            person=staff.id,
            purpose=request.purpose,
            starts_at=starts_at,
            ends_at=request.ends_at,
            created_by=call.principal.id,
            created_at=call.now,
        )
        await asyncio.to_thread(self._store.add_grant, grant)
        await self._ledger.invalidate(TOPIC_GRANT, staff.id)
        call.resource["grant"] = grant.id
        call.detail["staff"] = staff.login
        call.detail["purpose"] = grant.purpose
        return await self._grant(call, grant)

    async def list_grants(self, call: Call, request: m.ListGrants) -> m.GrantList:
        sort = GRANTS.sort(request.sort)
        found = await asyncio.to_thread(
            self._store.list_grants,
            call.require_tenant(),
            state=request.state,
            now=call.now,
            sort=sort,
            place=GRANTS.place(sort, request.cursor),
            limit=request.limit,
        )
        shown = GRANTS.page(sort, found, request.limit)
        return m.GrantList(
            items=[await self._grant(call, grant) for grant in shown.items], next_cursor=shown.next_cursor
        )

    export_grants = exporting(list_grants, m.ListGrants, exports.GRANTS, name="grants")

    async def revoke_grant(self, call: Call, request: m.GrantName) -> m.GrantView:
        grant = await asyncio.to_thread(self._store.revoke_grant, call.require_tenant(), request.grant, call.now)
        if grant is None:
            raise NotFound("grant", request.grant)
        await self._ledger.invalidate(TOPIC_GRANT, grant.person)
        call.resource["grant"] = grant.id
        return await self._grant(call, grant)

    async def _grant(self, call: Call, grant: Grant) -> m.GrantView:
        staff = await asyncio.to_thread(self._store.person, grant.person)
        return m.GrantView(
            grant=grant.id,
            staff=staff.login if staff else grant.person,
            purpose=grant.purpose,
            starts_at=grant.starts_at,
            ends_at=grant.ends_at,
            created_by=grant.created_by,
            created_at=grant.created_at,
            revoked_at=grant.revoked_at,
            in_force=grant.holds(call.now),
            upcoming=grant.revoked_at is None and call.now < grant.starts_at,
        )

    # applications

    async def create_application(self, call: Call, request: m.CreateApplication) -> m.ApplicationView:
        application = await self.applications.create(call.require_tenant(), request.name, call.now)
        call.resource["application"] = application.id
        return _application(application)

    async def get_application(self, call: Call, request: m.ApplicationName) -> m.ApplicationView:
        return _application(await self.applications.get(call.require_tenant(), request.application))

    async def list_applications(self, call: Call, request: m.ListApplications) -> m.ApplicationList:
        sort = APPLICATIONS.sort(request.sort)
        found = await asyncio.to_thread(
            self.applications.store.list_applications,
            call.require_tenant(),
            text=request.text,
            state=request.state,
            sort=sort,
            place=APPLICATIONS.place(sort, request.cursor),
            limit=request.limit,
        )
        shown = APPLICATIONS.page(sort, found, request.limit)
        return m.ApplicationList(
            items=[_application(application) for application in shown.items], next_cursor=shown.next_cursor
        )

    export_applications = exporting(list_applications, m.ListApplications, exports.APPLICATIONS, name="applications")

    async def disable_application(self, call: Call, request: m.ApplicationName) -> m.ApplicationView:
        return await self._set_state(call, request.application, "disabled")

    async def enable_application(self, call: Call, request: m.ApplicationName) -> m.ApplicationView:
        return await self._set_state(call, request.application, "active")

    async def _set_state(self, call: Call, application: str, state: str) -> m.ApplicationView:
        call.resource["application"] = application
        return _application(await self.applications.set_state(call.require_tenant(), application, state))

    # bindings

    async def create_binding(self, call: Call, request: m.CreateBinding) -> m.BindingView:
        binding = await self.applications.bind(call.require_tenant(), request.application, request.instance, call.now)
        call.resource.update(binding=binding.id, application=binding.application, instance=binding.instance)
        return _binding(binding)

    async def list_bindings(self, call: Call, request: m.ListBindings) -> m.BindingList:
        sort = BINDINGS.sort(request.sort)
        found = await asyncio.to_thread(
            self.applications.store.list_bindings,
            call.require_tenant(),
            application=request.application,
            sort=sort,
            place=BINDINGS.place(sort, request.cursor),
            limit=request.limit,
        )
        shown = BINDINGS.page(sort, found, request.limit)
        return m.BindingList(items=[_binding(binding) for binding in shown.items], next_cursor=shown.next_cursor)

    export_bindings = exporting(list_bindings, m.ListBindings, exports.BINDINGS, name="bindings")

    async def delete_binding(self, call: Call, request: m.BindingName) -> m.Done:
        binding = await self.applications.unbind(call.require_tenant(), request.binding, call.now)
        call.resource.update(binding=binding.id, application=binding.application, instance=binding.instance)
        return m.Done()

    # access keys

    async def create_access_key(self, call: Call, request: m.CreateAccessKey) -> m.AccessKeyCreated:
        key, secret = await self.applications.issue_access_key(
            call.require_tenant(), request.application, request.expires_at, call.now
        )
        call.resource.update(access_key=key.id, application=key.application)
        return m.AccessKeyCreated(
            access_key=key.id, secret_key=secret, application=key.application, expires_at=key.expires_at
        )

    async def list_access_keys(self, call: Call, request: m.ListAccessKeys) -> m.AccessKeyList:
        tenant, sort = call.require_tenant(), ACCESS_KEYS.sort(request.sort)
        if request.application is not None:
            await self.applications.get(tenant, request.application)
        found = await asyncio.to_thread(
            self.applications.store.list_access_keys,
            tenant,
            application=request.application,
            state=request.state,
            now=call.now,
            sort=sort,
            place=ACCESS_KEYS.place(sort, request.cursor),
            limit=request.limit,
        )
        shown = ACCESS_KEYS.page(sort, found, request.limit)
        return m.AccessKeyList(items=[_access_key(key, call.now) for key in shown.items], next_cursor=shown.next_cursor)

    export_access_keys = exporting(list_access_keys, m.ListAccessKeys, exports.ACCESS_KEYS, name="access-keys")

    async def revoke_access_key(self, call: Call, request: m.AccessKeyName) -> m.AccessKeyView:
        call.resource["access_key"] = request.access_key
        revoked = await self.applications.revoke_access_key(call.require_tenant(), request.access_key, call.now)
        return _access_key(revoked, call.now)

    # single-purpose credentials

    async def create_credential(self, call: Call, request: m.CreateCredential) -> m.CredentialCreated:
        credential, password = await self.applications.issue_credential(
            call.require_tenant(), request.binding, request.operations, request.expires_at, call.now
        )
        call.resource.update(credential=credential.id, binding=credential.binding)
        call.detail["operations"] = sorted(credential.operations)
        return m.CredentialCreated(
            username=credential.id,
            password=password,
            binding=credential.binding,
            operations=sorted(credential.operations),
            expires_at=credential.expires_at,
        )

    async def list_credentials(self, call: Call, request: m.ListCredentials) -> m.CredentialList:
        tenant, sort = call.require_tenant(), CREDENTIALS.sort(request.sort)
        if request.application is not None:
            await self.applications.get(tenant, request.application)
        if request.binding is not None and (
            await asyncio.to_thread(self.applications.store.binding, tenant, request.binding) is None
        ):
            raise NotFound("binding", request.binding)
        found = await asyncio.to_thread(
            self.applications.store.list_credentials,
            tenant,
            binding=request.binding,
            application=request.application,
            state=request.state,
            now=call.now,
            sort=sort,
            place=CREDENTIALS.place(sort, request.cursor),
            limit=request.limit,
        )
        shown = CREDENTIALS.page(sort, found, request.limit)
        return m.CredentialList(
            items=[_credential(credential, call.now) for credential in shown.items], next_cursor=shown.next_cursor
        )

    export_credentials = exporting(list_credentials, m.ListCredentials, exports.CREDENTIALS, name="credentials")

    async def revoke_credential(self, call: Call, request: m.CredentialName) -> m.CredentialView:
        call.resource["credential"] = request.username
        revoked = await self.applications.revoke_credential(call.require_tenant(), request.username, call.now)
        return _credential(revoked, call.now)


def _tenant(tenant: Tenant) -> m.TenantView:
    return m.TenantView(
        tenant=tenant.id, code=tenant.code, name=tenant.name, state=tenant.state, created_at=tenant.created_at
    )


def _application(application: Application) -> m.ApplicationView:
    return m.ApplicationView(
        application=application.id, name=application.name, state=application.state, created_at=application.created_at
    )


def _binding(binding: Binding) -> m.BindingView:
    return m.BindingView(
        binding=binding.id,
        application=binding.application,
        instance=binding.instance,
        offering=binding.offering,
        created_at=binding.created_at,
    )


def _access_key(key: AccessKey, now: datetime) -> m.AccessKeyView:
    return m.AccessKeyView(
        access_key=key.id,
        application=key.application,
        state=credential_state(key, now),
        created_at=key.created_at,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
        used_at=key.used_at,
    )


def _credential(credential: BasicAccess, now: datetime) -> m.CredentialView:
    return m.CredentialView(
        username=credential.id,
        binding=credential.binding,
        application=credential.application,
        operations=sorted(credential.operations),
        state=credential_state(credential, now),
        created_at=credential.created_at,
        expires_at=credential.expires_at,
        revoked_at=credential.revoked_at,
        used_at=credential.used_at,
    )
