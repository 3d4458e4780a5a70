"""Requests and responses of `account.*` and `tenant.*`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, field

from miyun.core.listing import Cursor, Format, SortText
from miyun.core.operation import Role, Struct
from miyun.core.tenancy.model import CredentialState, PersonState

Name = Annotated[str, Meta(min_length=1, max_length=100)]
Identifier = Annotated[str, Meta(min_length=1, max_length=128)]
People = Annotated[list[Identifier], Meta(max_length=500)]
Limit = Annotated[int, Meta(ge=1, le=500)]
ApplicationState = Literal["active", "disabled"]


class Page(Struct):
    """Every list: `cursor` is the previous answer's `next_cursor`."""

    limit: Limit = 50
    cursor: str | None = None


# account


class Login(Struct):
    login: Identifier
    password: Annotated[str, Meta(max_length=256)]


class PersonView(Struct):
    person: str
    login: str
    name: str
    state: str
    roles: list[Role]
    tenant: str | None
    must_change_password: bool
    created_at: datetime


class LoggedIn(Struct):
    """`token` goes into a cookie or `Authorization: Bearer`; cookie sessions send `csrf` with every change."""

    token: str
    csrf: str
    expires_at: datetime
    person: PersonView


class Done(Struct):
    done: bool = True


class ChangePassword(Struct):
    current: Annotated[str, Meta(max_length=256)]
    new: Annotated[str, Meta(max_length=256)]


class HeldGrant(Struct):
    grant: str
    tenant: str
    tenant_name: str
    purpose: str
    starts_at: datetime
    ends_at: datetime


class Connection(Struct):
    """Who called, and the platform's time: for the caller's clock."""

    tenant: str
    principal: str
    at: datetime


class Me(Struct):
    """`grants`: the tenants that supplier staff may enter, now or soon."""

    id: str
    name: str
    role: Role
    roles: list[Role]
    tenant: str | None
    tenant_name: str | None
    application: str | None
    must_change_password: bool
    grants: list[HeldGrant]


class SessionView(Struct):
    session: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    current: bool


class SessionList(Struct):
    items: list[SessionView]


class CreatePerson(Struct):
    """`login` is the part before @ of a tenant's people, the whole login name of the platform's."""

    login: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{1,47}$")]
    name: Name


class PersonCreated(Struct):
    """`password_half`: first half of the one-time password. The security administrator gets the other half when
    assigning roles; joined by "-" they let the person in once, to choose a password of their own."""

    person: PersonView
    password_half: str


class ListPeople(Struct):
    """`sort`: login (as default), name or created_at. `text` is looked for in login and name. `people`: none but these,
    by their identifiers."""

    people: People = field(default_factory=list)
    text: Annotated[str, Meta(max_length=128)] = ""
    state: PersonState | None = None
    role: Role | None = None
    sort: SortText = ""
    limit: Limit = 50
    cursor: Cursor | None = None


class ExportPeople(Struct):
    people: People = field(default_factory=list)
    text: Annotated[str, Meta(max_length=128)] = ""
    state: PersonState | None = None
    role: Role | None = None
    sort: SortText = ""
    format: Format = "csv"


class PersonList(Struct):
    items: list[PersonView]
    next_cursor: str | None


class PersonName(Struct):
    person: Identifier


class AssignRoles(Struct):
    person: Identifier
    roles: Annotated[list[Role], Meta(min_length=1, max_length=4)]


class RolesAssigned(Struct):
    person: PersonView
    password_half: str | None = None  # second half of a first password that was waiting


# grants


class CreateGrant(Struct):
    """`staff` is the login name of one person of the supplier's staff."""

    staff: Identifier
    purpose: Annotated[str, Meta(min_length=4, max_length=500)]
    ends_at: datetime
    starts_at: datetime | None = None


class GrantView(Struct):
    grant: str
    staff: str
    purpose: str
    starts_at: datetime
    ends_at: datetime
    created_by: str
    created_at: datetime
    revoked_at: datetime | None
    in_force: bool
    upcoming: bool


class ListGrants(Struct):
    """`sort`: created_at (newest first as default), starts_at or ends_at. `state`: open is in force or to come."""

    state: Literal["open", "over"] | None = None
    sort: SortText = ""
    limit: Limit = 50
    cursor: Cursor | None = None


class ExportGrants(Struct):
    state: Literal["open", "over"] | None = None
    sort: SortText = ""
    format: Format = "csv"


class GrantList(Struct):
    items: list[GrantView]
    next_cursor: str | None


class GrantName(Struct):
    grant: Identifier


# applications, bindings, credentials


class CreateApplication(Struct):
    name: Name


class ApplicationView(Struct):
    application: str
    name: str
    state: str
    created_at: datetime


class ListApplications(Struct):
    """`sort`: created_at (as default) or name. `text` is looked for in the name."""

    text: Annotated[str, Meta(max_length=128)] = ""
    state: ApplicationState | None = None
    sort: SortText = ""
    limit: Limit = 50
    cursor: Cursor | None = None


class ExportApplications(Struct):
    text: Annotated[str, Meta(max_length=128)] = ""
    state: ApplicationState | None = None
    sort: SortText = ""
    format: Format = "csv"


class ApplicationList(Struct):
    items: list[ApplicationView]
    next_cursor: str | None


class ApplicationName(Struct):
    application: Identifier


class CreateAccessKey(Struct):
    application: Identifier
    expires_at: datetime | None = None


class ListAccessKeys(Struct):
    """Of one application, or of all. `sort`: created_at (newest first as default) or application."""

    application: Identifier | None = None
    state: CredentialState | None = None
    sort: SortText = ""
    limit: Limit = 50
    cursor: Cursor | None = None


class ExportAccessKeys(Struct):
    application: Identifier | None = None
    state: CredentialState | None = None
    sort: SortText = ""
    format: Format = "csv"


class AccessKeyView(Struct):
    """`used_at` is the last use, to a quarter of an hour."""

    access_key: str
    application: str
    state: CredentialState
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    used_at: datetime | None


class AccessKeyCreated(Struct):
    """`secret_key` is shown this once."""

    access_key: str
    secret_key: str
    application: str
    expires_at: datetime | None


class AccessKeyList(Struct):
    items: list[AccessKeyView]
    next_cursor: str | None


class AccessKeyName(Struct):
    access_key: Identifier


class CreateBinding(Struct):
    application: Identifier
    instance: Identifier


class BindingView(Struct):
    binding: str
    application: str
    instance: str
    offering: str
    created_at: datetime


class ListBindings(Struct):
    """Of one application, or of all. `sort`: created_at (newest first as default), application or offering."""

    application: Identifier | None = None
    sort: SortText = ""
    limit: Limit = 50
    cursor: Cursor | None = None


class ExportBindings(Struct):
    application: Identifier | None = None
    sort: SortText = ""
    format: Format = "csv"


class BindingList(Struct):
    items: list[BindingView]
    next_cursor: str | None


class BindingName(Struct):
    binding: Identifier


class CreateCredential(Struct):
    """A user name and password for HTTP Basic that may call `operations` of one binding, for clients that cannot
    sign requests."""

    binding: Identifier
    operations: Annotated[list[str], Meta(min_length=1, max_length=20)]
    expires_at: datetime | None = None


class ListCredentials(Struct):
    """Of one binding, of one application, or of all. `sort`: created_at (newest first as default) or application."""

    binding: Identifier | None = None
    application: Identifier | None = None
    state: CredentialState | None = None
    sort: SortText = ""
    limit: Limit = 50
    cursor: Cursor | None = None


class ExportCredentials(Struct):
    binding: Identifier | None = None
    application: Identifier | None = None
    state: CredentialState | None = None
    sort: SortText = ""
    format: Format = "csv"


class CredentialView(Struct):
    """`used_at` is the last use, to a quarter of an hour."""

    username: str
    binding: str
    application: str
    operations: list[str]
    state: CredentialState
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    used_at: datetime | None


class CredentialCreated(Struct):
    """`password` is shown this once."""

    username: str
    password: str
    binding: str
    operations: list[str]
    expires_at: datetime | None


class CredentialList(Struct):
    items: list[CredentialView]
    next_cursor: str | None


class CredentialName(Struct):
    username: Identifier


class TenantView(Struct):
    tenant: str
    code: str
    name: str
    state: str
    created_at: datetime


class TenantList(Struct):
    items: list[TenantView]
    next_cursor: str | None
