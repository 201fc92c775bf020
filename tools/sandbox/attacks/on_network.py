"""Attacks by way of the network."""

from __future__ import annotations

from treadle.tools.sandbox.attacks.attack import Attack

_GROUP = "network"

NETWORK = (
    Attack(
        "tcp",
        _GROUP,
        "speak TCP with the host",
        r"""
for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::ffff:127.0.0.1")):
    peer = tries(socket.socket, family, socket.SOCK_STREAM)
    if peer is None:
        continue
    peer.settimeout(1)
    if tries(peer.connect_ex, (address, W["tcp_port"])) == 0:
        tries(peer.sendall, W["nonce"].encode())
    peer.close()
# Data with the first packet, which needs no connect.
peer = tries(socket.socket, socket.AF_INET, socket.SOCK_STREAM)
if peer is not None:
    peer.settimeout(1)
    tries(peer.sendto, W["nonce"].encode(), 0x20000000, ("127.0.0.1", W["tcp_port"]))
""",
    ),
    Attack(
        "udp",
        _GROUP,
        "send UDP to the host",
        r"""
peer = tries(socket.socket, socket.AF_INET, socket.SOCK_DGRAM)
if peer is not None:
    tries(peer.sendto, W["nonce"].encode(), ("127.0.0.1", W["udp_port"]))
    tries(peer.sendmsg, [W["nonce"].encode()], [], 0, ("127.0.0.1", W["udp_port"]))
    time.sleep(0.2)
peer = tries(socket.socket, socket.AF_INET6, socket.SOCK_DGRAM)
if peer is not None:
    tries(peer.sendto, W["nonce"].encode(), ("::ffff:127.0.0.1", W["udp_port"]))
""",
    ),
    Attack(
        "unix-socket",
        _GROUP,
        "reach a unix socket of the host by its path",
        r"""
for path in (W["socket"], f"/proc/1/root{W['socket']}", f"/proc/{os.getppid()}/root{W['socket']}"):
    peer = tries(socket.socket, socket.AF_UNIX, socket.SOCK_STREAM)
    if peer is not None:
        peer.settimeout(1)
        if tries(peer.connect_ex, path) == 0:
            tries(peer.sendall, W["nonce"].encode())
        peer.close()
for path in ("/run/docker.sock", "/var/run/docker.sock", "/run/containerd/containerd.sock",
             "/run/dbus/system_bus_socket", "/run/systemd/private", "/run/podman/podman.sock",
             "/var/run/nscd/socket", "/run/systemd/resolve/io.systemd.Resolve"):
    peer = tries(socket.socket, socket.AF_UNIX, socket.SOCK_STREAM)
    if peer is not None:
        if tries(peer.connect_ex, path) == 0:
            got(path, "answers")
        peer.close()
""",
    ),
    Attack(
        "abstract-socket",
        _GROUP,
        "reach an abstract unix socket of the host",
        r"""
peer = tries(socket.socket, socket.AF_UNIX, socket.SOCK_STREAM)
if peer is not None:
    peer.settimeout(1)
    if tries(peer.connect_ex, "\0" + W["abstract"]) == 0:
        tries(peer.sendall, W["nonce"].encode())
""",
    ),
    Attack(
        "dns",
        _GROUP,
        "ask a name server",
        r"""
# A query whose name carries the word out: how data leaves where only names may be asked for.
label = W["nonce"].encode()
query = struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0)
query += bytes([len(label)]) + label + b"\x07invalid\x00" + struct.pack(">HH", 1, 1)
peer = tries(socket.socket, socket.AF_INET, socket.SOCK_DGRAM)
if peer is not None:
    peer.settimeout(0.5)
    tries(peer.sendto, query, ("127.0.0.1", W["udp_port"]))
    if tries(peer.recvfrom, 512):
        got("a name server answers")
for line in peek("/etc/resolv.conf").decode("utf-8", "replace").splitlines():
    if line.startswith("nameserver ") and ":" not in line:
        peer = tries(socket.socket, socket.AF_INET, socket.SOCK_DGRAM)
        # Connecting a datagram socket sends nothing: it asks whether there is a way.
        if peer is not None and tries(peer.connect_ex, (line.split()[1], 53)) == 0:
            got("there is a way to the name server")
""",
    ),
    Attack(
        "metadata-address",
        _GROUP,
        "find a way to the cloud's metadata service, and anywhere else; nothing is sent",
        r"""
for address in ("169.254.169.254", "192.0.2.1", "100.100.100.200"):
    peer = tries(socket.socket, socket.AF_INET, socket.SOCK_DGRAM)
    if peer is not None and tries(peer.connect_ex, (address, 80)) == 0:
        got("there is a way to", address)
for address in ("fd00:ec2::254", "2001:db8::1"):
    peer = tries(socket.socket, socket.AF_INET6, socket.SOCK_DGRAM)
    if peer is not None and tries(peer.connect_ex, (address, 80)) == 0:
        got("there is a way to", address)
for name in names("/sys/class/net"):
    if name != "lo":
        got("it sees the interface", name)
""",
        varies=True,
    ),
    Attack(
        "odd-sockets",
        _GROUP,
        "make sockets that no namespace holds, or that the kernel is attacked through",
        r"""
for name, family, kind, protocol in (
    ("AF_VSOCK", 40, socket.SOCK_STREAM, 0), ("AF_PACKET", 17, socket.SOCK_RAW, 0),
    ("AF_ALG", 38, socket.SOCK_SEQPACKET, 0), ("AF_XDP", 44, socket.SOCK_RAW, 0),
    ("AF_BLUETOOTH", 31, socket.SOCK_RAW, 1), ("AF_CAN", 29, socket.SOCK_RAW, 1),
    ("AF_TIPC", 30, socket.SOCK_RDM, 0), ("AF_RDS", 21, socket.SOCK_SEQPACKET, 0),
    ("AF_KEY", 15, socket.SOCK_RAW, 2), ("AF_NFC", 39, socket.SOCK_RAW, 1),
    ("raw IP", socket.AF_INET, socket.SOCK_RAW, 1), ("netfilter", 16, socket.SOCK_RAW, 12),
    ("AF_QIPCRTR", 42, socket.SOCK_DGRAM, 0), ("AF_SMC", 43, socket.SOCK_STREAM, 0),
):
    if tries(socket.socket, family, kind, protocol) is not None:
        got("it can make a socket of", name)
""",
        varies=True,
    ),
    Attack(
        "listen",
        _GROUP,
        "be a server that the host can be lured to",
        r"""
server = tries(socket.socket, socket.AF_INET, socket.SOCK_STREAM)
if server is not None and tries(server.bind, ("127.0.0.1", W["knock_port"])) is None:
    tries(server.listen)
    time.sleep(0.6)
""",
        watched=True,
    ),
)
"""The attacks by way of the network."""
