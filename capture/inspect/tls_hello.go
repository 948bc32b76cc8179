package inspect

import (
	"bytes"
	"strings"

	"golang.org/x/crypto/cryptobyte"
)

// Handshake messages (RFC 8446, section 4; RFC 5246, section 7.4; RFC 6347, section 4.3.2).
const (
	msgClientHello        = 1
	msgServerHello        = 2
	msgCertificate        = 11
	msgCertificateRequest = 13
	msgServerHelloDone    = 14
)

// Extensions (IANA "TLS ExtensionType Values").
const (
	extServerName        = 0
	extALPN              = 16
	extSupportedVersions = 43
	extECH               = 0xfe0d
)

// clientHello is what is read of the message.
type clientHello struct {
	version uint16 // the highest one that is known; 0: none
	name    []byte
	offers  string // application protocols
	ech     bool
}

// parseClientHello reads the body of a ClientHello (RFC 8446, section 4.1.2), with DTLS's cookie (RFC 9147, section 5.3) where dtls is set.
func parseClientHello(body []byte, dtls bool) (h clientHello, ok bool) {
	s := cryptobyte.String(body)
	var sessionID, cookie, suites, compression, extensions cryptobyte.String
	if !s.ReadUint16(&h.version) || !s.Skip(32) || !s.ReadUint8LengthPrefixed(&sessionID) || len(sessionID) > 32 ||
		dtls && !s.ReadUint8LengthPrefixed(&cookie) ||
		!s.ReadUint16LengthPrefixed(&suites) || len(suites) < 2 || len(suites)%2 != 0 || !s.ReadUint8LengthPrefixed(&compression) || len(compression) == 0 {
		return h, false
	}
	if h.version == tls13 { // never offered here
		h.version = tls12
	}
	if s.Empty() {
		return h, true
	}
	if !s.ReadUint16LengthPrefixed(&extensions) || !s.Empty() {
		return h, false
	}
	for !extensions.Empty() {
		var kind uint16
		var data cryptobyte.String
		if !extensions.ReadUint16(&kind) || !extensions.ReadUint16LengthPrefixed(&data) {
			return h, false
		}
		switch kind {
		case extServerName:
			h.name = serverName(data)
		case extALPN:
			h.offers = protocolNames(data)
		case extSupportedVersions:
			h.version = highestVersion(data)
		case extECH:
			h.ech = len(data) > 0 && data[0] == 0
		}
	}
	return h, true
}

// serverName is the first host name of the extension (RFC 6066, section 3).
func serverName(data cryptobyte.String) []byte {
	var list, name cryptobyte.String
	var kind uint8
	if !data.ReadUint16LengthPrefixed(&list) {
		return nil
	}
	for list.ReadUint8(&kind) && list.ReadUint16LengthPrefixed(&name) {
		if kind == 0 {
			return name
		}
	}
	return nil
}

// maxALPN is how many protocol names of a list are shown.
const maxALPN = 8

// protocolNames joins the printable ones of a list (RFC 7301, section 3.1); the reserved ones of RFC 8701 are not.
func protocolNames(data cryptobyte.String) string {
	var list, name cryptobyte.String
	var names []string
	if !data.ReadUint16LengthPrefixed(&list) {
		return ""
	}
	for len(names) < maxALPN && list.ReadUint8LengthPrefixed(&name) {
		if len(name) > 0 && len(name) <= 24 && bytes.IndexFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || r == ',' }) < 0 {
			names = append(names, string(name))
		}
	}
	return strings.Join(names, ",")
}

func highestVersion(data cryptobyte.String) (highest uint16) {
	var list cryptobyte.String
	var v uint16
	if !data.ReadUint8LengthPrefixed(&list) {
		return 0
	}
	for list.ReadUint16(&v) {
		if v = plainVersion(v); versionAge(v) >= 0 && (highest == 0 || versionAge(v) > versionAge(highest)) {
			highest = v
		}
	}
	return highest
}

// serverHello is what is read of the message.
type serverHello struct {
	version uint16
	suite   uint16
	retry   bool // a HelloRetryRequest: another ClientHello and ServerHello follow
	chosen  string
}

// retryRandom marks a HelloRetryRequest (RFC 8446, section 4.1.3).
var retryRandom = []byte("\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c")

// parseServerHello reads the body of a ServerHello, of drafts of TLS 1.3 too: these up to 21 have neither session nor compression.
func parseServerHello(body []byte) (h serverHello, ok bool) {
	s := cryptobyte.String(body)
	var random []byte
	var sessionID, extensions cryptobyte.String
	if !s.ReadUint16(&h.version) || !s.ReadBytes(&random, 32) {
		return h, false
	}
	draft := h.version>>8 == 0x7f
	if !draft && (!s.ReadUint8LengthPrefixed(&sessionID) || len(sessionID) > 32) || !s.ReadUint16(&h.suite) || !draft && !s.Skip(1) {
		return h, false
	}
	h.version = plainVersion(h.version)
	h.retry = bytes.Equal(random, retryRandom)
	if s.Empty() {
		return h, true
	}
	if !s.ReadUint16LengthPrefixed(&extensions) || !s.Empty() {
		return h, false
	}
	for !extensions.Empty() {
		var kind uint16
		var data cryptobyte.String
		if !extensions.ReadUint16(&kind) || !extensions.ReadUint16LengthPrefixed(&data) {
			return h, false
		}
		switch kind {
		case extALPN:
			h.chosen = protocolNames(data)
		case extSupportedVersions:
			if !data.ReadUint16(&h.version) {
				return h, false
			}
			h.version = plainVersion(h.version)
		}
	}
	return h, true
}
