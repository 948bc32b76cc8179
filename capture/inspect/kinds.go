package inspect

import "slices"

// Bytes with which protocols in lines may begin.
const (
	capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	letters  = capitals + "abcdefghijklmnopqrstuvwxyz"
	tags     = letters + digits + "!#$&',-./:;<=>?@[]^_`|}~" // of IMAP
)

// streams are the protocols over TCP, in the order in which they are asked: those with the strongest signature first.
var streams = byFirstByte(func(k *streamKind) string { return k.begins }, []streamKind{
	{"tls", "\x15\x16", tlsFirst, newTLS},
	{"tls", "\x80\x81", sslFirst, newTLS},
	{"tls", "\x17", tlsMiddle, func() dialogue { return tlsRest{} }},
	{"http2", "P", http2First, func() dialogue { return new(http2Dialogue) }},
	{"http", capitals + "-_", httpFirst, func() dialogue { return new(httpDialogue) }},
	{"ssh", "S", sshFirst, func() dialogue { return new(sshDialogue) }},
	{"sip", capitals + "-_", sipFirst, func() dialogue { return new(sipDialogue) }},
	{"smb3", "\x00", smbFirst("smb3"), newSMB},
	{"smb2", "\x00", smbFirst("smb2"), newSMB},
	{"smb1", "\x00", smbFirst("smb1"), newSMB},
	{"netbios-ssn", "\x81", sessionFirst, newSMB},
	{"dcerpc", "\x05n", rpcFirst, newRPC},
	{"kerberos", "\x00", kerberosFirst, func() dialogue { return nameOnly{} }},
	{"ldap", "\x30", ldapFirst, newLDAP},
	{"tds", "\x10\x12", tdsFirst, newTDS},
	{"rdp", "\x03", rdpFirst, newRDP},
	{"syslog", "<" + digits, syslogFirst, func() dialogue { return syslogDialogue{} }},
	{"smtp", "2" + letters, smtpFirst, func() dialogue { return new(smtpDialogue) }},
	{"ftp", digits + letters + "\xff", ftpFirst, func() dialogue { return new(ftpDialogue) }},
	{"imap", "*" + tags, imapFirst, func() dialogue { return new(imapDialogue) }},
	{"pop3", "+" + letters, pop3First, func() dialogue { return new(pop3Dialogue) }},
	{"onc-rpc", "\x00\x01\x02\x03\x04\x80\x81\x82\x83\x84", sunFirst, openRPC},
	{"dns", "", dnsFirst, openDNS},
	{"openvpn", "\x00\x01\x02\x03\x04\x05\x06\x07", openvpnFirst, openOpenVPN},
})

// datagrams are the protocols over UDP, in the same order.
var datagrams = byFirstByte(func(k *datagramKind) string { return k.begins }, []datagramKind{
	{"stun", between(0, 0x3f), readSTUN},
	{"dtls", between(recordChange, recordWithCID), readDTLS},
	{"quic", between(0x80, 0xff), readQUIC},
	{"sip", capitals + "-_", sipDatagram},
	{"ssdp", "MNH", ssdpDatagram},
	{"syslog", "<", syslogDatagram},
	{"netbios-ns", "", netbiosService},
	{"netbios-dgm", "\x10\x11\x12", netbiosDatagram},
	{"kerberos", between(0x60, 0x7f), kerberosDatagram},
	{"ldap", "\x30", ldapDatagram},
	{"dhcp", "\x01\x02", readDHCP},
	{"snmp", "\x30", readSNMP},
	{"onc-rpc", "", readRPC},
	{"mdns", "", readMDNS},
	{"llmnr", "", readLLMNR},
	{"dns", "", readDNS},
	{"wireguard", "\x01\x02\x03\x04", readWireGuard},
	{"openvpn", "\x38\x40\x50", readOpenVPN},
	{"tftp", "\x00", readTFTP},
	{"dhcp6", between(1, 36), readDHCP6},
	{"ntp", "", readNTP},
	{"ike", "", readIKE},
})

// between is all bytes of a range.
func between(first, last int) string {
	var b []byte
	for v := first; v <= last; v++ {
		b = append(b, byte(v))
	}
	return string(b)
}

// byFirstByte sorts protocols by the bytes with which what is theirs may begin; none of them takes what is empty. To ask all protocols of all
// bytes took a sixth of the time of a DNS conversation.
func byFirstByte[K any](begins func(*K) string, kinds []K) (by [256][]*K) {
	for i := range kinds {
		k := &kinds[i]
		for b := range by {
			if begins(k) == "" || slices.Contains([]byte(begins(k)), byte(b)) {
				by[b] = append(by[b], k)
			}
		}
	}
	return by
}
