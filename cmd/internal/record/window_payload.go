package main

import (
	"net/netip"
	"slices"
)

var payloadRules = []string{"acronis-abr-11.5", "lync-2013-director"}

// payload shows what payloads prove: the same documented ports with TLS 1.2 and 1.3, mutual and not, in clear, and with something else.
func payload() *window {
	acronis, lync := "acronis-abr-11.5/", "lync-2013-director/"
	return &window{name: "payload", site: "payload", rules: payloadRules,
		hosts: []host{
			{name: "ams", addrs: "10.60.0.10/24", os: "windows"},
			{name: "node", addrs: "10.60.0.20/24", os: "windows"},
			{name: "node-2", addrs: "10.60.0.22/24", os: "windows"},
			{name: "win-1", addrs: "10.60.0.51/24", os: "windows"},
			{name: "win-2", addrs: "10.60.0.52/24", os: "windows"},
			{name: "lin-1", addrs: "10.60.0.53/24", os: "linux"},
			{name: "lin-2", addrs: "10.60.0.54/24", os: "linux"},
			{name: "dir-1", addrs: "10.60.0.11/24", os: "windows"},
			{name: "dir-2", addrs: "10.60.0.12/24", os: "windows"},
			{name: "fe-1", addrs: "10.60.0.21/24", os: "windows"},
			{name: "edge-1", addrs: "10.60.0.31/24", os: "windows"},
			{name: "edge-2", addrs: "10.60.0.32/24", os: "windows"},
			{name: "files", addrs: "10.60.0.40/24", os: "linux"},
			{name: "safe", addrs: "10.60.0.41/24", os: "linux"},
			{name: "boot", addrs: "10.60.0.42/24", os: "linux"},
			{name: "jump", addrs: "10.60.0.3/24", os: "linux"},
			{name: "dns", addrs: "10.60.0.2/24", os: "linux"},
			{name: "cloud-1", addrs: "198.51.100.41/24", os: "linux"},
			{name: "cloud-2", addrs: "198.51.100.42/24", os: "linux"},
			{name: "liar", addrs: "10.60.0.66/24", os: "linux"},
		},
		services: []service{
			listen("ams", "tls", 9876), listen("node", "http", 9876),
			sshd("lin-1"), listen("lin-2", "http", 22),
			listen("edge-1", "mtls", 5061), listen("edge-2", "tls", 5061), listen("dir-1", "http", 5061), listen("dir-2", "mtls", 5061), listen("node-2", "tls", 9876),
			smbd("files"), vsftpd("files"), smbdSecure("safe"), vsftpdSecure("safe"), addressServer("boot", "10.60.0.200", "10.60.0.209", "boot.n12"),
			dnsmasq("dns", "vault.cloud.example=198.51.100.41", "portal.cloud.example=vault.cloud.example"),
			nginx("cloud-1", nil, []int{443}, false), nginx("cloud-2", nil, []int{443}, false),
		},
		actions: slices.Concat(
			[]action{
				dial{from: "win-1", to: "ams", port: 9876, speak: "tls", old: true},
				dial{from: "lin-1", to: "ams", port: 9876, speak: "tls", split: true},
				dial{from: "lin-2", to: "ams", port: 9876, speak: "tls"},
				web("win-1", "node", 9876), // in clear
				ssh("ams", "lin-1"), web("ams", "lin-2", 22),
				secure("win-2", "ams", 9876), secure("edge-2", "dir-2", 5061), secure("win-2", "node-2", 9876), secure("lin-1", "node-2", 9876), secure("lin-2", "node-2", 9876),
				dial{from: "fe-1", to: "edge-1", port: 5061, speak: "tls", old: true}, secure("fe-1", "edge-1", 5061),
				dial{from: "fe-1", to: "edge-2", port: 5061, speak: "tls", old: true}, secure("dir-1", "edge-2", 5061),
				web("edge-1", "dir-1", 5061),
				smbPutSecure("win-1", "safe"), smbPut("win-2", "files"),
				ftpPut("lin-1", "files"), ftpBy("lin-1", "files", "epsv"), ftpBy("lin-1", "files", "port", "--ftp-port", "-", "--disable-eprt"),
				ftpBy("lin-1", "files", "eprt", "--ftp-port", "-"),
				ftpBy("lin-2", "safe", "tls", "--ssl-reqd", "-k"),
				call("lin-1", "tftp", "-m", "binary", "{boot}", "-c", "get", "boot.n12", "/dev/null"),
				lookup("lin-1", "dns", "portal.cloud.example"), lookup("lin-2", "dns", "portal.cloud.example"),
				dial{from: "lin-1", to: "198.51.100.41", port: 443, speak: "https", name: "portal.cloud.example"},
				// An answer that nobody asked for makes no name, and a claim is no proof.
				datagram{from: "liar", to: "lin-2", sport: 53, port: 40000, payload: unasked(7, "198.51.100.42", "portal", "cloud", "example")},
				dial{from: "lin-2", to: "198.51.100.42", port: 443, speak: "https", name: "portal.cloud.example"},
			}),
		planted: []planted{
			deviation("encryption", "win-1", "node", "tcp/9876", acronis+"agent-storage-node"),
			deviation("encryption", "ams", "lin-2", "tcp/22", acronis+"management-server-ssh-target"),
			deviation("encryption", "edge-1", "dir-1", "tcp/5061", lync+"edge-sip-director"),
			deviation("encryption", "win-2", "files", "tcp/445", "local/sealed-shares"),
		},
		silent: []planted{
			documented("win-1", "ams", "tcp/9876", acronis+"agent-registers", "TLS 1.2"),
			documented("lin-1", "ams", "tcp/9876", acronis+"agent-registers", "TLS 1.3, its first message in many segments"),
			documented("ams", "lin-1", "tcp/22", acronis+"management-server-ssh-target", ""),
			documented("fe-1", "edge-1", "tcp/5061", lync+"front-end-sip-edge", ""),
			documented("win-1", "safe", "tcp/445", "local/sealed-shares", ""),
			line("mutual-tls", "documented", "", "", "edge-2", "tcp/5061", lync+"front-end-sip-edge", "asks for no certificate"),
			line("name-claim", "documented", "", "lin-2", "portal", "tcp/443", "", "only its claim says that it is the portal"),
			line("connection", "indeterminate", "unannounced", "lin-2", "safe", "tcp/50005", "local/file-transfer-data", "the control conversation is encrypted"),
			unexpected("wrong-roles", "lin-2", "liar", "udp/53", "an answer without a query"),
			documented("lin-1", "198.51.100.41", "tcp/443", "local/cloud-portal", "by the name it was asked for"),
		},
	}
}

// unasked is a DNS response with one address, to a query that was never sent.
func unasked(id byte, addr string, labels ...string) []byte {
	b := question(id, labels...)
	b[2], b[3], b[7] = 0x81, 0x80, 1
	b = append(b, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4)
	return append(b, ipv4(addr)...)
}

func ipv4(addr string) []byte {
	b := netip.MustParseAddr(addr).As4()
	return b[:]
}
