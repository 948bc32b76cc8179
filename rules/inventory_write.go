package rules

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// Imported is the hosts of one inventory as a site file that types them.
type Imported struct {
	Inventory *Inventory
	Text      []byte // the file, which LoadSiteBytes takes
}

// Import reads an inventory as a site would that names it and nothing else; v.File is its path. It is nil if any problem is an error.
func Import(v *Inventory) (*Imported, []Problem) { return importWith(v, readInventory) }

func importWith(v *Inventory, read func(path string) ([]byte, error)) (*Imported, []Problem) {
	s := &Site{HostsFrom: []*Inventory{v}, places: places{}}
	problems := importHosts(s, checker{places: s.places}, read)
	if !Failed(problems) {
		problems = append(problems, checkSite(s, checker{places: s.places})...)
	}
	if Failed(problems) {
		return nil, sortProblems(problems)
	}
	m := &Imported{v, s.typed(v)}
	if len(m.Text) > MaxFile {
		return nil, sortProblems(append(problems, Problem{Pos: Pos{File: v.Path}, What: fmt.Sprintf("the site file would have %d bytes, and may have at most %d", len(m.Text), MaxFile), Do: "name the inventory in a site, under hosts_from"}))
	}
	return m, sortProblems(problems)
}

// typed writes the hosts of a site, each with the line that it comes from.
func (s *Site) typed(v *Inventory) []byte {
	var b bytes.Buffer
	b.WriteString(SchemaLine(SiteSchemaFile))
	fmt.Fprintf(&b, "# hosts: %d, of %d rows of %s (%s, %d bytes),\n# SHA-256 %s\n", v.Hosts, v.Rows, printable(v.Path), v.Kind, v.Size, v.SHA256)
	for _, l := range v.Left {
		fmt.Fprintf(&b, "# rows left out: %d, %s; first at line %d\n", l.Rows, l.Reason, l.First.Line)
	}
	base := filepath.Base(v.Path)
	fmt.Fprintf(&b, "name: %s\nhosts:\n", YAMLText(printable(strings.TrimSuffix(base, filepath.Ext(base)))))
	for _, h := range s.Hosts {
		fmt.Fprintf(&b, "  - name: %s # %s:%d\n", YAMLText(h.Name), printable(h.Pos.File), h.Pos.Line)
		if len(h.Addresses) > 0 {
			b.WriteString("    addresses: [")
			for i := range h.Addresses {
				if i > 0 {
					b.WriteString(", ")
				}
				b.WriteString(YAMLText(h.Addresses[i].Address))
			}
			b.WriteString("]\n")
		}
		if h.OS != "" {
			fmt.Fprintf(&b, "    os: %s\n", h.OS)
		}
		writeTexts(&b, "names", h.Names)
		writeTexts(&b, "roles", h.Roles)
	}
	return b.Bytes()
}

func writeTexts(b *bytes.Buffer, key string, list []string) {
	if len(list) == 0 {
		return
	}
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = YAMLText(s)
	}
	fmt.Fprintf(b, "    %s: [%s]\n", key, strings.Join(quoted, ", "))
}

// YAMLText is a text as YAML reads it back, whatever is in it: bare where it can be taken for nothing else.
func YAMLText(s string) string {
	bare := s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./-_") == "" && strings.Trim(s, "0123456789.-_eE") != "" || isDotted(s)
	switch lower := strings.ToLower(s); lower {
	case "true", "false", "yes", "no", "on", "off", "null", "y", "n":
		bare = false
	default:
		bare = bare && !strings.HasPrefix(lower, "0x") && !strings.HasPrefix(lower, "0o")
	}
	if bare && s[0] != '-' && s[0] != '.' {
		return s
	}
	return strconv.Quote(s) // YAML knows each of its escapes
}

// isDotted is true for IPv4 addresses, which YAML takes for nothing else.
func isDotted(s string) bool {
	r, what, _ := parseAddresses(s)
	return what == "" && r.single() && r.first.Is4() && !strings.Contains(s, ":")
}
