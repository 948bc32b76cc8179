package inspect

import (
	"encoding/binary"
	"testing"
)

func ldapText(id byte, op byte, contents ...string) string {
	return ber(0x30, ber(2, string([]byte{id})), ber(op, contents...))
}

func ldapBindText(id byte, authentication string) string {
	return ldapText(id, ldapBind, "\x02\x01\x03", ber(4, "cn=a,dc=example"), authentication)
}

func ldapSearchText(id byte, base string, scope byte) string {
	return ldapText(id, ldapSearch, ber(4, base), ber(10, string([]byte{scope})), "\x0a\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00", ber(0x87, "objectClass"), ber(0x30))
}

func ldapResult(id, op, code byte) string {
	return ldapText(id, op, ber(10, string([]byte{code})), ber(4, ""), ber(4, ""))
}

// saslBuffer is a buffer of a security layer.
func saslBuffer(token string) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(token)))) + token
}

func TestLDAP(t *testing.T) {
	root := []turn{orig(ldapSearchText(1, "", 0)), resp(ldapText(1, ldapEntry, ber(4, ""), ber(0x30, random(3000))), ldapResult(1, ldapSearchDone, 0))}
	sasl := append(root[:2:2], orig(ldapBindText(2, ber(0xa3, ber(4, "GSS-SPNEGO"), ber(4, random(900))))), resp(ldapResult(2, ldapBindAnswer, 0)))
	secured := func(token string) []segment {
		return overTCP(389, append(sasl[:4:4], orig(saslBuffer(token)), resp(saslBuffer(token)))...)
	}
	sealed, plain := []string{"protocol ldap", "encrypted LDAP SASL sealing"}, []string{"protocol ldap", "clear LDAP request in clear"}
	everyWay(t, overTCP(389, root...), "protocol ldap")
	everyWay(t, overTCP(389, orig(ldapSearchText(1, "dc=example", 2))), plain...)
	everyWay(t, overTCP(389, orig(ldapBindText(1, ber(0x80, "secret")))), "protocol ldap", "clear LDAP simple bind in clear")
	everyWay(t, overTCP(389, orig(ldapBindText(1, ber(0x80))), resp(ldapResult(1, ldapBindAnswer, 0))), "protocol ldap")
	everyWay(t, secured("\x05\x04\x06\xff"+zeros(12)+random(200)), sealed...)
	everyWay(t, secured("\x05\x04\x04\xff"+zeros(12)+ldapSearchText(3, "dc=example", 2)), plain...)
	everyWay(t, secured("\x60\x30\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x02\x01\x11\x00\x10\x00\xff\xff"+random(80)), sealed...)
	everyWay(t, secured("\x60\x30\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x02\x01\x11\x00\xff\xff\xff\xff"+random(80)), plain...)
	everyWay(t, secured("\x01\x00\x00\x00"+random(12)+random(99)), sealed...)
	everyWay(t, secured("\x01\x00\x00\x00"+random(12)+ldapSearchText(3, "dc=example", 2)), plain...)
	everyWay(t, secured(random(70)), "protocol ldap")
	expect(t, overTCP(161, orig("\x30\x10\x02\x01\x01\x04\x06public\xa0\x03\x02\x01\x07")), "protocol unknown", "printable 38")
}

func TestLDAPStartTLS(t *testing.T) {
	ask := orig(ldapText(7, ldapExtended, ber(0x80, startTLS)))
	hello := orig(testRecords(1000, testClientHello("ldap.example", 0)[5:]))
	everyWay(t, overTCP(389, orig(ldapSearchText(1, "", 0)), ask, resp(ldapResult(7, ldapExtendedAnswer, 0)), hello), "protocol ldap", "protocol tls", "offered TLS 1.2", "name sni ldap.example")
	everyWay(t, overTCP(389, ask, resp(ldapResult(7, ldapExtendedAnswer, 2)), orig(ldapSearchText(8, "dc=example", 2))), "protocol ldap", "clear LDAP request in clear")
	segments := overTCP(389, ask, resp(ldapResult(7, ldapExtendedAnswer, 0)), hello)
	segments[3], segments[4] = segments[4], segments[3]
	expect(t, segments, "protocol ldap", "protocol tls", "offered TLS 1.2", "name sni ldap.example")
}

func TestLDAPDatagram(t *testing.T) {
	expect(t, overUDP(389, orig(ldapSearchText(1, "", 0))), "protocol ldap", "clear LDAP request in clear")
	expect(t, overUDP(389, orig(ldapSearchText(1, "", 0)[:20]), resp("\x30")), "protocol unknown", "printable 100")
}

func TestKerberos(t *testing.T) {
	request := ber(0x6a, ber(0x30, ber(0xa1, "\x02\x01\x05"), ber(0xa2, "\x02\x01\x0a"), ber(0xa4, random(180))))
	failure := ber(0x7e, ber(0x30, ber(0xa0, "\x02\x01\x05"), ber(0xa1, "\x02\x01\x1e"), ber(0xa4, random(80))))
	everyWay(t, overTCP(88, orig(saslBuffer(request)), resp(saslBuffer(failure))), "protocol kerberos")
	expect(t, overUDP(88, orig(request), resp(failure)), "protocol kerberos")
	expect(t, overUDP(88, resp(failure)), "protocol kerberos")
	wrong := ber(0x6a, ber(0x30, ber(0xa1, "\x02\x01\x05"), ber(0xa2, "\x02\x01\x0c"), ber(0xa4, random(180))))
	expect(t, overTCP(88, orig(saslBuffer(wrong)), resp("x")), "protocol unknown", "printable 44")
}
