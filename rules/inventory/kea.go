package inventory

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// kea reads the CSV files of Kea's memfile backend. Fields have no quotes: a comma in one is written &#x2c.
func (l *ledger) kea(text string) *Problem {
	var at map[string]int
	line := 0
	for row := range strings.Lines(text) {
		line++
		fields := strings.Split(strings.TrimRight(row, "\r\n"), ",")
		switch {
		case line == 1:
			at = make(map[string]int, len(fields))
			for i, name := range fields {
				at[name] = i
			}
			for _, name := range []string{"address", "valid_lifetime", "expire", "state", "hostname"} {
				if _, ok := at[name]; !ok || len(fields) > MaxColumns {
					return &Problem{1, 1, fmt.Sprintf("the leases have no column %q, or too many", name), "give kea-leases4.csv or kea-leases6.csv as Kea writes it"}
				}
			}
			continue
		case len(fields) == 1 && fields[0] == "":
			continue
		}
		value := func(name string) string {
			if i, ok := at[name]; ok && i < len(fields) {
				return unescapeKea(fields[i])
			}
			return ""
		}
		e := lease{line: line, col: 1, hostname: strings.TrimSuffix(value("hostname"), "."), hardware: value("hwaddr") + value("client_id") + value("duid"), subnet: value("subnet_id")}
		addr, err := netip.ParseAddr(value("address"))
		lifetime, err2 := strconv.ParseUint(value("valid_lifetime"), 10, 32)
		expire, err3 := strconv.ParseInt(value("expire"), 10, 48)
		if len(fields) > MaxColumns || err != nil || addr.Zone() != "" || err2 != nil || err3 != nil {
			return &Problem{line, 1, "no lease of Kea: its address, valid_lifetime or expire cannot be read", "give the file as Kea writes it"}
		}
		e.addr, e.ends, e.told = addr.Unmap(), expire, expire-int64(lifetime)
		if lifetime == 1<<32-1 { // infinite
			e.ends, e.told = never, 0
		}
		if strings.Contains(e.hostname, ".") {
			e.fqdn = e.hostname
		}
		e.gone = keaGone(value("state"), lifetime, value("lease_type"))
		if p := l.add(e); p != nil {
			return p
		}
	}
	return nil
}

// keaGone says why an entry is no lease of a host: Kea's states, the lifetime of 0 with which it deletes a lease, and delegated prefixes.
func keaGone(state string, lifetime uint64, leaseType string) string {
	switch {
	case leaseType == "2":
		return "prefixes delegated"
	case state == "1":
		return "declined"
	case state == "2":
		return "expired"
	case state == "3" || lifetime == 0:
		return "released"
	}
	return ""
}

// unescapeKea resolves &#xHH.
func unescapeKea(s string) string {
	if !strings.Contains(s, "&#x") {
		return s
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "&#x")
		b.WriteString(before)
		if !found {
			return strings.ToValidUTF8(b.String(), "\uFFFD")
		}
		if c, err := strconv.ParseUint(after[:min(2, len(after))], 16, 8); err == nil && len(after) >= 2 {
			b.WriteByte(byte(c))
			after = after[2:]
		} else {
			b.WriteString("&#x")
		}
		s = after
	}
}
