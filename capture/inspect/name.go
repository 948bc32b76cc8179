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
	if !isHostName(b) {
		return "", false
	}
	return hostName(strings.ToLower(string(b)))
}

// hostName is HostName of a name in lower case. What it gives is a part of that.
func hostName(name string) (string, bool) {
	if !isHostName(name) {
		return "", false
	}
	name = strings.TrimSuffix(name, ".")
	if last := name[len(name)-1]; last >= '0' && last <= '9' {
		if _, err := netip.ParseAddr(name); err == nil {
			return "", false
		}
	}
	return name, true
}

// isHostName looks at everything but whether it is an address.
func isHostName[S string | []byte](s S) bool {
	if n := len(s); n > 0 && s[n-1] == '.' {
		s = s[:n-1]
	}
	if len(s) == 0 || len(s) > flow.MaxFactValue {
		return false
	}
	label := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.' && label > 0:
			label = 0
			continue
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
			label++
		default:
			return false
		}
		if label > 63 {
			return false
		}
	}
	return label > 0
}
