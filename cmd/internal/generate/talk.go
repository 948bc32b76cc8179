package main

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// dns is a query for a host's address and its answer (RFC 1035, section 4).
func dns(name string, address [4]byte) []turn {
	question := ""
	for label := range strings.SplitSeq(name, ".") {
		question += string([]byte{byte(len(label))}) + label
	}
	question += "\x00\x00\x01\x00\x01"
	return []turn{
		asks("\x00\x00\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + question),
		answers("\x00\x00\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" + question + "\xc0\x0c\x00\x01\x00\x01\x00\x00\x0e\x10\x00\x04" + string(address[:])),
	}
}

// ntp is a client's packet and a server's (RFC 5905, section 7.3), times of January 2026.
func ntp() []turn {
	const now = "\xed\x00\x00\x00\x00\x00\x00\x00"
	return []turn{
		asks("\x23\x00\x06\xec" + strings.Repeat("\x00", 36) + now),
		answers("\x24\x02\x06\xec\x00\x00\x01\x00\x00\x00\x02\x00\xc0\x00\x02\x01" + now + now + now + now),
	}
}

// snmp is a get request for sysUpTime and its response (RFC 3416, section 4.2).
func snmp() []turn {
	message := func(pdu byte, value string) string {
		binding := ber(0x30, ber(0x06, "\x2b\x06\x01\x02\x01\x01\x03\x00"), value)
		return ber(0x30, ber(0x02, "\x01"), ber(0x04, "public"), ber(pdu, ber(0x02, "\x2a\x51"), ber(0x02, "\x00"), ber(0x02, "\x00"), ber(0x30, binding)))
	}
	return []turn{asks(message(0xa0, ber(0x05))), answers(message(0xa2, ber(0x43, "\x01\x02\x03")))}
}

func syslog() []turn {
	return []turn{asks("<134>1 2026-01-10T22:00:00Z host backup 4711 - - job finished, 0 errors, 0 warnings")}
}

// ping is the rest of an echo request and its reply, behind type, code and checksum.
func ping() []turn {
	const rest = "\x00\x07\x00\x01abcdefghijklmnopqrstuvwabcdefghi"
	return []turn{asks("\x08\x00\x00\x00" + rest), answers("\x00\x00\x00\x00" + rest)}
}

// ldap is a simple bind, a search for the root entry, and unbinding (RFC 4511, sections 4.2 to 4.5).
func ldap() []turn {
	message := func(id string, op string) string { return ber(0x30, ber(0x02, id), op) }
	success := ber(0x0a, "\x00") + ber(0x04) + ber(0x04)
	search := ber(0x63, ber(0x04), ber(0x0a, "\x00"), ber(0x0a, "\x00"), ber(0x02, "\x00"), ber(0x02, "\x78"), ber(0x01, "\x00"), ber(0x87, "objectClass"),
		ber(0x30, ber(0x04, "namingContexts")))
	entry := ber(0x64, ber(0x04), ber(0x30, ber(0x30, ber(0x04, "namingContexts"), ber(0x31, ber(0x04, "DC=corp,DC=example")))))
	return []turn{
		asks(message("\x01", ber(0x60, ber(0x02, "\x03"), ber(0x04), ber(0x80)))),
		answers(message("\x01", ber(0x61, success))),
		asks(message("\x02", search)),
		answers(message("\x02", entry) + message("\x02", ber(0x65, success))),
		asks(message("\x03", ber(0x42))),
	}
}

// kerberos is a request for a ticket and the error that asks for preauthentication (RFC 4120, sections 5.4.1 and 5.9.1).
func kerberos(stream bool) []turn {
	field := func(n byte, element string) string { return ber(0xa0+n, element) }
	whom := func(kind string, names ...string) string {
		list := ""
		for _, n := range names {
			list += ber(0x1b, n)
		}
		return ber(0x30, field(0, ber(0x02, kind)), field(1, ber(0x30, list)))
	}
	const realm = "CORP.EXAMPLE"
	body := ber(0x30, field(0, ber(0x03, "\x00\x40\x81\x00\x10")), field(1, whom("\x01", "backup")), field(2, ber(0x1b, realm)), field(3, whom("\x02", "krbtgt", realm)),
		field(5, ber(0x18, "20370913024805Z")), field(7, ber(0x02, "\x12\x34\x56\x78")), field(8, ber(0x30, ber(0x02, "\x12"), ber(0x02, "\x11"))))
	request := ber(0x6a, ber(0x30, field(1, ber(0x02, "\x05")), field(2, ber(0x02, "\x0a")), field(4, body)))
	failure := ber(0x7e, ber(0x30, field(0, ber(0x02, "\x05")), field(1, ber(0x02, "\x1e")), field(4, ber(0x18, "20260110220000Z")), field(5, ber(0x02, "\x00")),
		field(6, ber(0x02, "\x19")), field(9, ber(0x1b, realm)), field(10, whom("\x02", "krbtgt", realm))))
	if stream {
		request, failure = counted(request), counted(failure)
	}
	return []turn{asks(request), answers(failure)}
}

func counted(message string) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(message)))) + message
}

// http is a request and its answer with a body of size bytes.
func http(host, path string, size int) []turn {
	return []turn{
		asks(fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: ccmhttp\r\nAccept: */*\r\n\r\n", path, host)),
		answers(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", size)).then(size, size),
	}
}

// ssh is identifications, key exchange in clear, and what follows sealed (RFC 4253, sections 4.2, 7 and 7.3; RFC 8731).
func ssh(size int) []turn {
	packet := func(payload string) string {
		padding := 8 - (5+len(payload))%8
		if padding < 4 {
			padding += 8
		}
		return counted(string([]byte{byte(padding)}) + payload + strings.Repeat("\x00", padding))
	}
	lists := ""
	for _, l := range []string{"curve25519-sha256", "ssh-ed25519", "aes256-ctr", "aes256-ctr", "hmac-sha2-256", "hmac-sha2-256", "none", "none", "", ""} {
		lists += counted(l)
	}
	offer := packet("\x14" + "a cookie of bytes"[:16] + lists + "\x00\x00\x00\x00\x00")
	key := counted(strings.Repeat("\x09", 32))
	hostKey := counted(counted("ssh-ed25519") + key)
	signature := counted(counted("ssh-ed25519") + counted(strings.Repeat("\x5a", 64)))
	return []turn{
		asks("SSH-2.0-OpenSSH_9.2p1\r\n"), answers("SSH-2.0-OpenSSH_9.2p1\r\n"),
		asks(offer), answers(offer),
		asks(packet("\x1e" + key)), answers(packet("\x1f"+hostKey+key+signature) + packet("\x15")),
		asks(packet("\x15")).then(52, 52), answers("").then(52, 52),
		asks("").then(52, 148), answers("").then(36, size),
	}
}
