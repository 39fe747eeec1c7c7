"""
Hand ssh a connection that is made here, from an address of this network namespace.

    ProxyCommand nsenter --net=/run/netns/SPACE python -I connect.py ADDRESS %h %p
    ProxyUseFdpass yes
"""

import socket
import sys

PATIENCE_S = 10


def main(source: str, host: str, port: str) -> None:
    """Connect, and pass the open socket to whoever is at the other end of standard output."""
    with (
        socket.create_connection((host, int(port)), PATIENCE_S, (source, 0)) as connection,
        socket.socket(fileno=sys.stdout.fileno()) as ssh,
    ):
        connection.setblocking(True)
        socket.send_fds(ssh, [b"\0"], [connection.fileno()])


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except OSError as error:
        sys.exit(str(error))
