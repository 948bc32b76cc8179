package inspect

import (
	"net/netip"
	"strings"

	"pcapaudit/capture/flow"
)

// HostName brings a name from the wire into the form in which names are compared: lower case, without final dot. It refuses what is no host
// name: anything but letters, digits, hyphens, underscores and dots (so internationalised names come as A-labels, RFC 5890), labels of
// more than 63 bytes, more than 253 in all, and addresses.
func HostName(b []byte) (string, bool) {
	if n := len(b); n > 0 && b[n-1] == '.' {
		b = b[:n-1]
	}
	if len(b) == 0 || len(b) > flow.MaxFactValue {
		return "", false
	}
	label := 0
	for _, c := range b {
		switch {
		case c == '.' && label > 0:
			label = 0
			continue
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
			label++
		default:
			return "", false
		}
		if label > 63 {
			return "", false
		}
	}
	if label == 0 {
		return "", false
	}
	name := strings.ToLower(string(b))
	if last := b[len(b)-1]; last >= '0' && last <= '9' {
		if _, err := netip.ParseAddr(name); err == nil {
			return "", false
		}
	}
	return name, true
}
