"""
Real hosts on one machine: Debian 12 with systemd and sshd, without any cloud.

    from lab.hosts import keys, tree
    from lab.hosts.segment import Segment

    base, pair = tree.ensure(print), keys.make()
    with Segment("2001:db8:1::1/64", outward=True) as segment:
        alpha = segment.host("alpha", base, "2001:db8:1::10/64", login=[pair.public])
        alpha.wait_until_up()
        segment.run("ssh", ..., "debian@2001:db8:1::10", "hostname")

A host is an overlay over one base tree, a network namespace and, while it is on, a
systemd-nspawn process in a cgroup of its own.  All that is known of it is in its folder and its
registration, so any process finds it and whoever comes next removes what was left behind.
"""
