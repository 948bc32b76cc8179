package inventory

import (
	"encoding/hex"
	"strings"
)

// readAD reads the computers of Active Directory. Disabled accounts are left out, where the export says so.
func (t *Table) readAD(text string, f Format) *Problem {
	s, p := t.sheet(text, f)
	if p != nil {
		return p
	}
	enabled := column(t.Known, "Enabled")
	return t.rows(s, func(record []string) string {
		if enabled >= 0 && strings.EqualFold(strings.TrimSpace(record[enabled]), "false") {
			return "disabled in the directory"
		}
		return ""
	})
}

// maxDepth bounds the units that one distinguished name lies in.
const maxDepth = 64

// Units are the organizational units and containers above an entry, the outermost first, from its distinguished name (RFC 4514):
// "CN=BKP01,OU=Backup,OU=Servers,DC=corp,DC=example" lies in Servers and there in Backup. ok is false for what is no such name.
func Units(dn string) (units []string, ok bool) {
	for i, part := range splitDN(dn) {
		kind, value, found := strings.Cut(part, "=")
		if !found || i > maxDepth {
			return nil, false
		}
		kind = strings.ToUpper(strings.TrimSpace(kind))
		if i > 0 && (kind == "OU" || kind == "CN") {
			units = append(units, unescapeDN(strings.TrimSpace(value)))
		}
	}
	for i, j := 0, len(units)-1; i < j; i, j = i+1, j-1 {
		units[i], units[j] = units[j], units[i]
	}
	return units, true
}

// splitDN splits at commas that no backslash stands before.
func splitDN(dn string) []string {
	var parts []string
	start := 0
	for i := 0; i < len(dn); i++ {
		switch dn[i] {
		case '\\':
			i++
		case ',':
			parts = append(parts, dn[start:i])
			start = i + 1
		}
	}
	return append(parts, dn[start:])
}

// unescapeDN resolves \, and \2C.
func unescapeDN(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		if c, err := hex.DecodeString(s[i+1 : min(i+3, len(s))]); err == nil && len(c) == 1 {
			b.Write(c)
			i += 2
			continue
		}
		i++
		b.WriteByte(s[i])
	}
	return strings.ToValidUTF8(b.String(), "\uFFFD")
}
