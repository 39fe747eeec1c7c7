"""
The clauses of laws, standards and guides that rules cite: no other can be cited.

TCVN 11930:2017 repeats its structure for each security level; the clauses here are level 3's, the
level of most of the city's services (level 4 says the same and more in clause 8).
"""

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Clause:
    """A clause of a framework."""

    framework: str
    clause: str
    title: str

    def __str__(self) -> str:
        return f"{self.framework} {self.clause}"


ISO = "ISO/IEC 27001:2022"
TCVN = "TCVN 11930:2017"
CIS = "CIS Controls v8"
GUIDE = "OpenStack Security Guide"
DECREE_85 = "Decree 85/2016/ND-CP"
DECREE_13 = "Decree 13/2023/ND-CP"
"""Personal data; since 2026 under Law 91/2025/QH15."""

_CLAUSES = {
    ISO: {
        "A.5.9": "Inventory of information and other associated assets",
        "A.5.12": "Classification of information",
        "A.5.13": "Labelling of information",
        "A.5.15": "Access control",
        "A.5.16": "Identity management",
        "A.5.17": "Authentication information",
        "A.5.18": "Access rights",
        "A.5.23": "Information security for use of cloud services",
        "A.5.30": "ICT readiness for business continuity",
        "A.8.2": "Privileged access rights",
        "A.8.3": "Information access restriction",
        "A.8.6": "Capacity management",
        "A.8.9": "Configuration management",
        "A.8.13": "Information backup",
        "A.8.14": "Redundancy of information processing facilities",
        "A.8.16": "Monitoring activities",
        "A.8.19": "Installation of software on operational systems",
        "A.8.20": "Networks security",
        "A.8.21": "Security of network services",
        "A.8.22": "Segregation of networks",
        "A.8.24": "Use of cryptography",
        "A.8.32": "Change management",
    },
    TCVN: {
        "7.2.1": "Network security (level 3)",
        "7.2.2": "Server security (level 3)",
        "7.2.4": "Data security (level 3)",
    },
    CIS: {
        "1.1": "Establish and maintain detailed enterprise asset inventory",
        "1.2": "Address unauthorized assets",
        "3.3": "Configure data access control lists",
        "3.10": "Encrypt sensitive data in transit",
        "3.11": "Encrypt sensitive data at rest",
        "3.12": "Segment data processing and storage based on sensitivity",
        "5.4": "Restrict administrator privileges to dedicated administrator accounts",
        "6.8": "Define and maintain role-based access control",
        "11.1": "Establish and maintain a data recovery process",
        "11.2": "Perform automated backups",
        "11.3": "Protect recovery data",
        "11.4": "Establish and maintain an isolated instance of recovery data",
        "12.2": "Establish and maintain a secure network architecture",
        "13.4": "Perform traffic filtering between network segments",
    },
    GUIDE: {
        "block-storage": "Block Storage",
        "identity/authentication": "Identity: Authentication",
        "identity/authorization": "Identity: Authorization",
        "instance-management/security-services-for-instances": "Security services for instances",
        "management/integrity-life-cycle": "Integrity life-cycle",
        "networking/services": "Networking services",
        "networking/services-security-best-practices": "Networking services security best"
        " practices",
        "object-storage": "Object Storage",
        "secrets-management": "Secrets Management",
        "secure-communication/introduction-to-ssl-and-tls": "Introduction to TLS and SSL",
        "tenant-data/data-encryption": "Tenant data privacy: Data encryption",
    },
    DECREE_85: {
        "art. 4": "Principles of securing information systems by level",
        "art. 5": "Principles of determining the level",
    },
    DECREE_13: {"art. 26": "Measures to protect personal data"},
    "RFC 4890": {"4.3": "Recommendations for ICMPv6 transit traffic"},
    "RFC 4864": {"4": "Using IPv6 to provide the market perceived benefits of NAT"},
    "RFC 4291": {"2.5.1": "Interface identifiers"},
    "RFC 4861": {"6.2.3": "Router advertisement message content"},
    "RFC 7381": {"3": "External phase", "4": "Internal phase"},
}


def cite(framework: str, *clauses: str) -> tuple[Clause, ...]:
    """Return the clauses.  Raise KeyError for one that is not in the table."""
    return tuple(Clause(framework, one, _CLAUSES[framework][one]) for one in clauses)


def iso(*clauses: str) -> tuple[Clause, ...]:
    """Return clauses of ISO/IEC 27001's annex A."""
    return cite(ISO, *(f"A.{one}" for one in clauses))


def tcvn(*clauses: str) -> tuple[Clause, ...]:
    """Return clauses of TCVN 11930."""
    return cite(TCVN, *clauses)


def cis(*clauses: str) -> tuple[Clause, ...]:
    """Return safeguards of the CIS Controls."""
    return cite(CIS, *clauses)


def guide(*pages: str) -> tuple[Clause, ...]:
    """Return pages of the OpenStack Security Guide."""
    return cite(GUIDE, *pages)
