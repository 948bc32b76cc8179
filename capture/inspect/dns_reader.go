package inspect

import "encoding/binary"

// Numbers of types and classes (RFC 1035, sections 3.2.2 to 3.2.5; AAAA RFC 3596; SVCB and HTTPS RFC 9460).
const (
	dnsA     = 1
	dnsCNAME = 5
	dnsPTR   = 12
	dnsAAAA  = 28
	dnsSVCB  = 64
	dnsHTTPS = 65
	dnsAny   = 255

	dnsInternet = 1
)

const (
	maxDNSName     = 254 // characters of a name with its final dot
	maxDNSPointers = 10  // of one name that are followed
)

// dnsName is a name with a final dot, in lower case (ASCII only; case does not count, RFC 4343). That of the root is ".".
type dnsName struct {
	text [maxDNSName]byte
	n    int
}

func (n *dnsName) bytes() []byte { return n.text[:n.n] }

// dnsReader reads a message (RFC 1035, section 4.1) from one piece to the next, without allocating. What it gives is its caller's; after a false nothing
// more can be read.
type dnsReader struct {
	message []byte
	at      int // of the next piece; may be beyond the end
}

// name reads a name, wherever its pointers lead. It refuses labels with a dot in them, which cannot be told from two labels.
func (r *dnsReader) name(to *dnsName) bool {
	b, at, n := r.message, r.at, 0
	behind, pointers := 0, 0
	for {
		if at >= len(b) {
			return false
		}
		c := int(b[at])
		at++
		switch {
		case c == 0:
			if n == 0 {
				to.text[0], n = '.', 1
			}
			if pointers == 0 {
				behind = at
			}
			r.at, to.n = behind, n
			return true
		case c < 0x40:
			if at+c > len(b) || n+c >= maxDNSName {
				return false
			}
			label := to.text[n : n+c]
			for i, v := range b[at:][:len(label)] {
				if v == '.' {
					return false
				}
				if v-'A' < 26 {
					v |= 0x20
				}
				label[i] = v
			}
			to.text[n+c] = '.'
			at, n = at+c, n+c+1
		case c >= 0xc0:
			if at >= len(b) {
				return false
			}
			if pointers == 0 {
				behind = at + 1
			}
			if pointers++; pointers > maxDNSPointers {
				return false
			}
			at = c&0x3f<<8 | int(b[at])
		default:
			return false
		}
	}
}

// skipName looks at no label and follows no pointer.
func (r *dnsReader) skipName() bool {
	for r.at < len(r.message) {
		c := int(r.message[r.at])
		r.at++
		switch {
		case c == 0:
			return true
		case c < 0x40:
			r.at += c
		case c >= 0xc0:
			r.at++
			return true
		default:
			return false
		}
	}
	return false
}

// dnsKind is the type and class of a question or record.
type dnsKind struct{ number, class uint16 }

// kind reads what stands behind the name of a question.
func (r *dnsReader) kind() (k dnsKind, ok bool) {
	if r.at+4 > len(r.message) {
		return k, false
	}
	b := r.message[r.at:]
	r.at += 4
	return dnsKind{binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])}, true
}

// header reads what stands between the name of a record and its data, which has length bytes, whether they are there or not.
func (r *dnsReader) header() (k dnsKind, ttl uint32, length int, ok bool) {
	if r.at+10 > len(r.message) {
		return k, 0, 0, false
	}
	b := r.message[r.at:][:10]
	r.at += 10
	return dnsKind{binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])}, binary.BigEndian.Uint32(b[4:]), int(binary.BigEndian.Uint16(b[8:])), true
}

// skipRecords wants n whole records.
func (r *dnsReader) skipRecords(n int) bool {
	for range n {
		if !r.skipName() {
			return false
		}
		_, _, length, ok := r.header()
		if !ok || r.at+length > len(r.message) {
			return false
		}
		r.at += length
	}
	return true
}
