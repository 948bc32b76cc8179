package inspect

import "fmt"

// versions are the protocol versions of TLS and DTLS by their number on the wire, oldest first.
var versions = [...]struct {
	number uint16
	name   string
}{
	{0x0002, "SSL 2.0"}, {0x0300, "SSL 3.0"}, {0x0301, "TLS 1.0"}, {0xfeff, "DTLS 1.0"}, {0x0302, "TLS 1.1"},
	{tls12, "TLS 1.2"}, {dtls12, "DTLS 1.2"}, {tls13, "TLS 1.3"}, {dtls13, "DTLS 1.3"},
}

const (
	ssl2   = 0x0002
	tls12  = 0x0303
	tls13  = 0x0304
	dtls12 = 0xfefd
	dtls13 = 0xfefc
)

// versionAge is the place of a version in versions; -1 for unknown ones and the reserved ones of RFC 8701.
func versionAge(number uint16) int {
	for i := range versions {
		if versions[i].number == number {
			return i
		}
	}
	return -1
}

func versionName(number uint16) string {
	if i := versionAge(number); i >= 0 {
		return versions[i].name
	}
	return "TLS"
}

// plainVersion takes drafts of TLS 1.3 (RFC 8446 before its publication: 0x7f and the draft's number) for it.
func plainVersion(number uint16) uint16 {
	if number>>8 == 0x7f {
		return tls13
	}
	return number
}

// hidesHandshake says whether everything behind the ServerHello is encrypted: TLS 1.3, DTLS 1.3.
func hidesHandshake(number uint16) bool { return number == tls13 || number == dtls13 }

// outdated says whether RFC 8996, or an RFC before, forbids the version.
func outdated(number uint16) bool {
	i := versionAge(number)
	return i >= 0 && i < versionAge(tls12)
}

// Cipher suites by what is wrong with them (IANA "TLS Cipher Suites").
var (
	nullSuites = suites(0x0000, 0x0001, 0x0002, 0x001c, 0x002c, 0x002d, 0x002e, 0x003b, 0x0082, 0x0083, 0x00b0, 0x00b1, 0x00b4, 0x00b5, 0x00b8,
		0x00b9, 0xc001, 0xc006, 0xc00b, 0xc010, 0xc015, 0xc039, 0xc03a, 0xc03b, 0xc0b4, 0xc0b5)
	weakSuites = []struct {
		why    string
		suites map[uint16]bool
	}{
		{"export", suites(0x0003, 0x0006, 0x0008, 0x000b, 0x000e, 0x0011, 0x0014, 0x0017, 0x0019, 0x0026, 0x0027, 0x0028, 0x0029, 0x002a, 0x002b,
			0x0060, 0x0061, 0x0062, 0x0063, 0x0064, 0x0065)},
		{"anonymous", suites(0x0018, 0x001a, 0x001b, 0x0034, 0x003a, 0x0046, 0x006c, 0x006d, 0x0089, 0x009b, 0x00a6, 0x00a7, 0x00bf, 0x00c5,
			0xc015, 0xc016, 0xc017, 0xc018, 0xc019, 0xc046, 0xc047, 0xc05a, 0xc05b, 0xc084, 0xc085)},
		{"RC4", suites(0x0004, 0x0005, 0x0020, 0x0024, 0x0066, 0x008a, 0x008e, 0x0092, 0xc002, 0xc007, 0xc00c, 0xc011, 0xc033)},
		{"DES", suites(0x0009, 0x000c, 0x000f, 0x0012, 0x0015, 0x001e, 0x0022)},
		{"3DES", suites(0x000a, 0x000d, 0x0010, 0x0013, 0x0016, 0x001f, 0x0023, 0x008b, 0x008f, 0x0093, 0xc003, 0xc008, 0xc00d, 0xc012, 0xc01a,
			0xc01b, 0xc01c, 0xc034)},
	}
)

func suites(numbers ...uint16) map[uint16]bool {
	set := make(map[uint16]bool, len(numbers))
	for _, n := range numbers {
		set[n] = true
	}
	return set
}

// weakSuite describes a suite that nobody should use; "" for others.
func weakSuite(number uint16) string {
	for _, w := range weakSuites {
		if w.suites[number] {
			return fmt.Sprintf("weak cipher suite 0x%04x (%s)", number, w.why)
		}
	}
	return ""
}
