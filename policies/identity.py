"""Who may do what."""

import base64
import datetime as dt
from collections import defaultdict
from collections.abc import Iterator

from infra.graph import Resource
from policies.frameworks import cis, guide, iso, tcvn
from policies.model import Book, about
from policies.view import UNKNOWN, View

BOOK = Book([])

RIGHTS = (iso("5.18", "8.2"), tcvn("7.2.2"), cis("6.8"), guide("identity/authorization"))
STAFF = {"reader"}
DEPLOYER = {"member", "load-balancer_member", "creator"}
LONGEST = dt.timedelta(days=366)
RSA_BYTES = 256 + 128
"""Of a modulus of 3072 bits."""


@BOOK.each(
    about(
        "identity-admin-role",
        "critical",
        "Nobody is admin in an agency's project",
        "Không ai có vai trò admin trong dự án của cơ quan",
        "admin in any project is admin of the whole cloud.",
        "Give reader to staff, member to who deploys; the operator's own project has the admin.",
        *RIGHTS,
        cis("5.4"),
    ),
    "RoleAssignment",
    "InheritRoleAssignment",
)
def admin_role(view: View, assignment: Resource) -> Iterator[str]:
    """Take a role that the program did not look up by name for admin."""
    role = view.role(assignment)
    if role is None:
        yield "gives a role that the stack's outputs do not name"
    elif "admin" in role or role in {"manager", "service"}:
        yield f"gives the role {role}"


@BOOK.each(
    about(
        "identity-least-privilege",
        "high",
        "Groups may look, only the deployer may change",
        "Nhóm người dùng chỉ được xem, chỉ tài khoản triển khai được thay đổi",
        "Changes by hand that no review has seen and the next deploy undoes.",
        "Give groups the reader role.",
        *RIGHTS,
    ),
    "RoleAssignment",
    "InheritRoleAssignment",
)
def least_privilege(view: View, assignment: Resource) -> Iterator[str]:
    """Compare the role with what the kind of holder may have."""
    role = view.role(assignment)
    may = STAFF if view.inputs_named(assignment, "groupId") else STAFF | DEPLOYER
    if role is not None and role not in may:
        yield f"gives {role} to {'a group' if may is STAFF else 'a user'}"


@BOOK.each(
    about(
        "identity-role-scope",
        "high",
        "Roles are given in a project of this stack",
        "Vai trò chỉ được cấp trong dự án của ngăn xếp này",
        "A role on a domain, which holds in every project there is and will be.",
        "Give project_id, of an agency's project.",
        *RIGHTS,
    ),
    "RoleAssignment",
    "InheritRoleAssignment",
)
def role_scope(view: View, assignment: Resource) -> Iterator[str]:
    """Look at the scope."""
    if view.inputs_named(assignment, "domainId"):
        yield "holds in a whole domain"
    elif not view.refs(assignment, "projectId", "Project"):
        yield "holds in a project that is not of this stack"
    if assignment.type.endswith("InheritRoleAssignment"):
        yield "is inherited by projects below"


@BOOK.stack(
    about(
        "identity-people-by-group",
        "medium",
        "People have roles by their group; one user deploys",
        "Con người nhận quyền qua nhóm; chỉ một tài khoản triển khai",
        "Rights of a person who has left, in a list that nobody reads.",
        "Put the person into the agency's staff group.",
        iso("5.16", "5.18"),
        guide("identity/authorization"),
    )
)
def people_by_group(view: View) -> Iterator[tuple[Resource, str]]:
    """All roles of users are the same user's: who deploys is who has the most."""
    users: dict[str, list[Resource]] = defaultdict(list)
    for one in view.of("RoleAssignment"):
        if view.inputs_named(one, "userId"):
            users[str(view.get(one, "userId"))].append(one)
        elif not view.inputs_named(one, "groupId"):
            yield one, "gives a role to nobody"
    for some in sorted(users.values(), key=len, reverse=True)[1:]:
        for one in some:
            yield one, "gives a second user a role of its own"


@BOOK.each(
    about(
        "identity-group-foreign",
        "high",
        "A group has roles in its own agency's project",
        "Nhóm chỉ có vai trò trong dự án của chính cơ quan mình",
        "Staff of one agency who read another's servers and data.",
        "Give the group a role in its own project alone.",
        iso("5.15", "8.3"),
        tcvn("7.2.2"),
    ),
    "RoleAssignment",
)
def group_foreign(view: View, assignment: Resource) -> Iterator[str]:
    """Compare the names of group and project."""
    group = view.ref(assignment, "groupId", "GroupV3")
    project = view.ref(assignment, "projectId", "Project")
    if group and project and view.get(group, "name") != f"{view.get(project, 'name')}-staff":
        yield f"lets {view.get(group, 'name')} into {view.get(project, 'name')}"


@BOOK.each(
    about(
        "identity-credential-expiry",
        "high",
        "Application credentials expire within a year",
        "Thông tin xác thực ứng dụng hết hạn trong vòng một năm",
        "A key that is lost once and opens for ever.",
        "Set expires_at, at most a year ahead, and renew it in a pipeline.",
        iso("5.17"),
        guide("identity/authentication"),
    ),
    "ApplicationCredential",
)
def credential_expiry(view: View, credential: Resource) -> Iterator[str]:
    """Look at the date."""
    until = view.get(credential, "expiresAt")
    if not until:
        yield "never expires"
        return
    date = dt.date.fromisoformat(str(until)[:10])
    if date > view.today + LONGEST:
        yield f"expires only on {date}"


@BOOK.each(
    about(
        "identity-credential-rules",
        "high",
        "Application credentials may call only what they are for",
        "Thông tin xác thực ứng dụng chỉ được gọi API cần thiết",
        "A key of an exporter that can delete servers.",
        "Give access_rules (service, path, method), a role, and never unrestricted.",
        iso("8.3"),
        guide("identity/authentication"),
    ),
    "ApplicationCredential",
)
def credential_rules(view: View, credential: Resource) -> Iterator[str]:
    """Look at access rules, roles and the switch that lets it make others."""
    if not view.inputs_named(credential, "accessRules"):
        yield "has no access rules"
    if view.get(credential, "unrestricted"):
        yield "is unrestricted: it can make other credentials"
    if "admin" in view.every(credential, "roles"):
        yield "has the admin role"


@BOOK.each(
    about(
        "identity-user-safeguards",
        "high",
        "Users keep the password rules and have no password in the stack",
        "Tài khoản tuân thủ chính sách mật khẩu, không đặt mật khẩu trong ngăn xếp",
        "Accounts with passwords that are known, old, or guessed without limit.",
        "Let the city's directory make accounts; remove the exceptions and the password.",
        iso("5.16", "5.17"),
        tcvn("7.2.2"),
        guide("identity/authentication"),
        by_state="users",
    ),
    "User",
    "Ec2CredentialV3",
)
def user_safeguards(view: View, user: Resource) -> Iterator[str]:
    """Look at the exceptions that keystone knows."""
    for name in (
        "ignoreChangePasswordUponFirstUse",
        "ignoreLockoutFailureAttempts",
        "ignorePasswordExpiry",
    ):
        if view.get(user, name):
            yield f"has {name}"
    if view.inputs_named(user, "password"):
        yield "has its password in the stack"
    if user.type.endswith("Ec2CredentialV3"):
        yield "is a key without expiry"


@BOOK.each(
    about(
        "identity-ssh-key",
        "high",
        "SSH keys are given, not made in the stack, and strong",
        "Khóa SSH do thành phố cấp, đủ mạnh, không sinh trong ngăn xếp",
        "A private key that lies in the state for everyone who can read it.",
        "Give an ed25519 public key, or RSA of 3072 bits.",
        iso("5.17", "8.24"),
        tcvn("7.2.2"),
        guide("instance-management/security-services-for-instances"),
    ),
    "Keypair",
)
def ssh_key(view: View, keypair: Resource) -> Iterator[str]:
    """Read the public key's own words."""
    said = str(view.get(keypair, "publicKey") or "").split()
    if len(said) < 2:  # noqa: PLR2004 - kind and key
        yield "has no public key, so that the cloud makes a private one"
        return
    kind, key = said[0], said[1]
    length = len(base64.b64decode(key + "=="))
    if kind == "ssh-rsa" and length < RSA_BYTES:
        yield "is an RSA key of less than 3072 bits"
    elif said[:2] != view.site.public_key.split()[:2]:
        yield "is not the site's key"
    elif kind not in {"ssh-rsa", "ssh-ed25519"} and not kind.startswith(("ecdsa-sha2-", "sk-")):
        yield f"is a key of the kind {kind}"


@BOOK.each(
    about(
        "identity-password-login",
        "high",
        "Servers are entered by key, none by password",
        "Máy chủ đăng nhập bằng khóa, không bằng mật khẩu",
        "Guessing of passwords.",
        "Give the server the site's key pair and no admin_pass.",
        iso("5.17"),
        tcvn("7.2.2"),
        guide("instance-management/security-services-for-instances"),
        by_state="the password",
    ),
    "Instance",
)
def password_login(view: View, server: Resource) -> Iterator[str]:
    """Look at the server's key pair and password."""
    if not view.inputs_named(server, "keyPair"):
        yield "has no key pair"
    elif server.inputs["keyPair"] is not UNKNOWN and view.get(server, "keyPair") not in {
        one.inputs.get("name") for one in view.of("Keypair")
    }:
        yield "has a key pair that is not the site's"
    if view.inputs_named(server, "adminPass"):
        yield "has a password"


@BOOK.stack(
    about(
        "identity-project-roles",
        "medium",
        "In every project the agency's staff may look and the deployer may deploy",
        "Trong mỗi dự án, nhân sự cơ quan được xem và tài khoản triển khai được triển khai",
        "An agency that cannot see its own servers, a takeover that cannot deploy.",
        "Keep the role assignments that the program makes.",
        iso("5.18"),
        guide("identity/authorization"),
    )
)
def project_roles(view: View) -> Iterator[tuple[Resource, str]]:
    """Look for reader of a group and the deployer's roles in each project."""
    given = view.pointing("RoleAssignment", "projectId", "Project")
    known = view.graph.outputs.get("roles")
    wanted = DEPLOYER & set(known if isinstance(known, dict) else ())
    for project in view.of("Project"):
        groups, users = set(), set()
        for one in given.get(project.urn, []):
            if view.refs(one, "groupId", "GroupV3"):
                groups.add(view.role(one))
            if view.inputs_named(one, "userId"):
                users.add(view.role(one))
        if not groups & STAFF:
            yield project, "lets none of its staff look"
        for role in sorted(wanted - users):
            yield project, f"does not give {role} to who deploys"


@BOOK.each(
    about(
        "identity-one-operator",
        "high",
        "All providers reach the site's own cloud, as one operator",
        "Mọi nhà cung cấp kết nối đúng đám mây của trung tâm với một tài khoản vận hành",
        "Half of a site deployed into another cloud, or by somebody else.",
        "Let the program make the providers from the site's one set of credentials.",
        iso("5.16", "5.23"),
        by_state="the providers",
    ),
    "openstack",
)
def one_operator(view: View, provider: Resource) -> Iterator[str]:
    """Compare the providers with one another, and their region with the site's."""
    if view.get(provider, "region") != view.site.region:
        yield f"is of the region {view.get(provider, 'region')}"
    if not view.inputs_named(provider, "password"):
        yield "has no password, so that it takes whatever the environment has"
    first = next((one for one in view.of("openstack") if one.name == "admin"), provider)
    for name in ("authUrl", "userName", "userId"):
        if view.get(provider, name) != view.get(first, name):
            yield f"has another {name} than the operator"
