package inventory

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// check holds what Read promises, whatever it is given.
func check(t *testing.T, data []byte, f Format) {
	table, p := Read(data, f)
	if (table == nil) == (p == nil) {
		t.Fatalf("table %v with problem %v", table, p)
	}
	if p != nil {
		if p.What == "" || p.Do == "" || p.Line < 0 || p.Line > 0 && p.Col < 1 {
			t.Fatalf("problem %+v", p)
		}
		return
	}
	lines := strings.Count(string(data), "\n") + 1
	if strings.HasPrefix(string(data), "\xff\xfe") || strings.HasPrefix(string(data), "\xfe\xff") {
		lines = len(data)
	}
	left := 0
	for _, l := range table.Left {
		left += l.Rows
		if l.Reason == "" || l.Rows < 1 || l.Line < 1 || l.Line > lines {
			t.Fatalf("left out %+v of %d lines", l, lines)
		}
	}
	if table.Read != len(table.Rows)+left || table.Read > MaxRows {
		t.Fatalf("%d rows read, %d given, %d left out", table.Read, len(table.Rows), left)
	}
	for _, r := range table.Rows {
		if r.Line < 1 || r.Line > lines || r.Col < 1 || len(r.Cells) != len(f.Columns) {
			t.Fatalf("row %+v of %d lines", r, lines)
		}
		for _, c := range r.Cells {
			if c.Line < r.Line && f.Kind != Ansible || c.Line > lines || c.Col < 1 || len(c.Text) > MaxCell || !utf8.ValidString(c.Text) || strings.TrimSpace(c.Text) != c.Text {
				t.Fatalf("cell %+v in line %d of %d", c, r.Line, lines)
			}
		}
	}
	if again, _ := Read(data, f); !reflect.DeepEqual(table, again) {
		t.Fatal("read twice, the table differs")
	}
}

func seeds(f *testing.F, names ...string) {
	for _, name := range names {
		f.Add([]byte(file(f, name)))
	}
}

func FuzzCSV(f *testing.F) {
	seeds(f, "servers.csv", "quotes.csv", "moved.csv")
	f.Add([]byte("sep=|\nIP|Hostname\n10.0.0.1|a\n"))
	f.Add([]byte("\xff\xfeI\x00P\x00\n\x001\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		check(t, data, Format{Kind: CSV, Columns: []string{"IP", "Hostname", "", "3", "IP"}})
		check(t, data, Format{Kind: CSV, NoHeader: true, Separator: ';', Columns: []string{"1", "1024", "x"}})
	})
}

func FuzzAD(f *testing.F) {
	seeds(f, "computers.csv")
	f.Fuzz(func(t *testing.T, data []byte) {
		check(t, data, Format{Kind: AD, Columns: []string{"Name", "DNSHostName", "IPv4Address", "DistinguishedName"}})
		Units(string(data))
	})
}

func FuzzAnsible(f *testing.F) {
	seeds(f, "ansible.json")
	f.Add([]byte(`{"a": ["h1", "h2"], "b": {"children": ["a", "c"]}, "c": {"children": ["b"]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		check(t, data, Format{Kind: Ansible, Columns: []string{"inventory_hostname", "ansible_host", "a.b", "", "a"}})
	})
}

func FuzzLeases(f *testing.F) {
	seeds(f, "dhcpd.leases", "kea-leases4.csv", "kea-leases6.csv", "cut.leases")
	f.Fuzz(func(t *testing.T, data []byte) {
		check(t, data, Format{Kind: DHCP, Columns: []string{"address", "hostname", "fqdn", "hardware", "", "nothing"}})
	})
}
