package inspect

import "slices"

// Bytes with which protocols in lines may begin.
const (
	capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	letters  = capitals + "abcdefghijklmnopqrstuvwxyz"
	tags     = letters + digits + "!#$&',-./:;<=>?@[]^_`|}~" // of IMAP
)

// streams are the protocols over TCP, in the order in which they are asked: those with the strongest signature first.
var streams = byFirstByte([]streamKind{
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
var datagrams = []*datagramKind{
	{"stun", readSTUN},
	{"dtls", readDTLS},
	{"quic", readQUIC},
	{"sip", sipDatagram},
	{"ssdp", ssdpDatagram},
	{"syslog", syslogDatagram},
	{"netbios-ns", netbiosService},
	{"netbios-dgm", netbiosDatagram},
	{"kerberos", kerberosDatagram},
	{"ldap", ldapDatagram},
	{"dhcp", readDHCP},
	{"snmp", readSNMP},
	{"onc-rpc", readRPC},
	{"mdns", readMDNS},
	{"llmnr", readLLMNR},
	{"dns", readDNS},
	{"wireguard", readWireGuard},
	{"openvpn", readOpenVPN},
	{"tftp", readTFTP},
	{"dhcp6", readDHCP6},
	{"ntp", readNTP},
	{"ike", readIKE},
}

// byFirstByte sorts protocols by the bytes with which a side may begin.
func byFirstByte(kinds []streamKind) (by [256][]*streamKind) {
	for i := range kinds {
		k := &kinds[i]
		for b := range by {
			if k.begins == "" || slices.Contains([]byte(k.begins), byte(b)) {
				by[b] = append(by[b], k)
			}
		}
	}
	return by
}
