package inventory

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
)

// files are the inventories of the site corpus.
const files = "../testdata/sites/inventories/"

func file(t testing.TB, name string) string {
	data, err := os.ReadFile(files + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// shown is a table, one line a row: "line:col|cell|cell|groups", then what was left out.
func shown(t *Table) string {
	var b strings.Builder
	for _, r := range t.Rows {
		fmt.Fprintf(&b, "%d:%d", r.Line, r.Col)
		for _, c := range r.Cells {
			fmt.Fprintf(&b, "|%s", c.Text)
			if c.Line != r.Line {
				fmt.Fprintf(&b, "@%d:%d", c.Line, c.Col)
			}
		}
		if len(r.Groups) > 0 {
			b.WriteString("|" + strings.Join(r.Groups, ","))
		}
		b.WriteString("\n")
	}
	for _, l := range t.Left {
		fmt.Fprintf(&b, "left %d: %s, line %d\n", l.Rows, l.Reason, l.Line)
	}
	for _, i := range t.Unknown {
		fmt.Fprintf(&b, "unknown %d\n", i)
	}
	return fmt.Sprintf("%d rows\n", t.Read) + b.String()
}

// utf16Text is text as PowerShell writes it with -Encoding Unicode.
func utf16Text(text string, order binary.ByteOrder, mark string) string {
	units := utf16.Encode([]rune(text))
	data := make([]byte, 2*len(units))
	for i, u := range units {
		order.PutUint16(data[2*i:], u)
	}
	return mark + string(data)
}

func TestRead(t *testing.T) {
	addressName := []string{"IP", "Hostname"}
	leases := []string{"address", "hostname", "fqdn", "subnet_id"}
	for _, c := range []struct {
		name string
		text string
		f    Format
		want string
	}{
		{"semicolons, mark, quotes", file(t, "servers.csv"), Format{Kind: CSV, Columns: []string{"IP", "hostname", "Function", "6", "", "Asset"}}, `
3 rows
2:1|10.1.0.11|BKP01|Backup server|rack 4; top||
3:1|10.1.0.21|WS-021|Workstation|||
4:1|10.1.0.22, fd00:1::22|WS-022|Workstation|says "hello"||
unknown 5
`},
		{"separator line of Excel", "sep=|\r\nIP|Hostname\r\n10.0.0.1|a\r\n|\r\n", Format{Kind: CSV, Columns: addressName}, `
2 rows
3:1|10.0.0.1|a
left 1: nothing in it, line 4
`},
		{"tabs", "IP\tHostname\n10.0.0.1\ta,b;c\n", Format{Kind: CSV, Columns: addressName}, "1 rows\n2:1|10.0.0.1|a,b;c\n"},
		{"separator in quotes", "\"IP,a,b\";Hostname\n10.0.0.1;a\n", Format{Kind: CSV, Columns: []string{"2"}}, "1 rows\n2:1|a\n"},
		{"no header", "10.0.0.1,a\n", Format{Kind: CSV, NoHeader: true, Columns: []string{"1", "2", "3"}}, "1 rows\n1:1|10.0.0.1|a|\n"},
		{"lines in a cell", "IP,Hostname\n\"10.0.0.1\n10.0.0.2\",a\n", Format{Kind: CSV, Columns: addressName}, "1 rows\n2:1|10.0.0.1\n10.0.0.2|a@3:11\n"},
		{"UTF-16, little end", utf16Text("IP\tHostname\r\n10.0.0.1\té\r\n", binary.LittleEndian, "\xff\xfe"), Format{Kind: CSV, Columns: addressName}, "1 rows\n2:1|10.0.0.1|é\n"},
		{"UTF-16, big end", utf16Text("IP\tHostname\r\n10.0.0.1\té\r\n", binary.BigEndian, "\xfe\xff"), Format{Kind: CSV, Columns: addressName}, "1 rows\n2:1|10.0.0.1|é\n"},
		{"directory", file(t, "computers.csv"), Format{Kind: AD, Columns: []string{"Name", "IPv4Address", "IPv6Address", "DistinguishedName"}}, `
4 rows
3:1|BKP01|10.1.0.11||CN=BKP01,OU=Backup,OU=Servers,DC=corp,DC=example
4:1|WS-021|10.1.0.21||CN=WS-021,OU=Clients,DC=corp,DC=example
6:1|WS-030|||CN=WS-030\, spare,OU=Clients,DC=corp,DC=example
left 1: disabled in the directory, line 5
unknown 2
`},
		{"playbook", file(t, "ansible.json"), Format{Kind: Ansible, Columns: []string{"inventory_hostname", "ansible_host", "ansible_default_ipv4.address", "site_roles", "ansible_port", "nowhere"}}, `
3 rows
4:13|bkp01|10.1.0.11@5:17||acronis-abr-11.5/storage-node@7:17|||all,backup,servers
9:13|ws-021.corp.example||10.1.0.21@11:17||22@10:17||clients
25:42|10.1.0.22||||||clients
unknown 5
`},
		{"playbook of long ago, with a ring of groups", `{"a": ["h1", "h2"], "b": {"children": ["a", "c"]}, "c": {"children": ["b"], "vars": {"x": [1, {"y": 2}]}}}`, Format{Kind: Ansible, Columns: []string{"inventory_hostname"}}, `
2 rows
1:8|h1|a,b,c
1:14|h2|a,b,c
`},
		{"leases of ISC DHCP", file(t, "dhcpd.leases"), Format{Kind: DHCP, Columns: leases}, `
7 rows
26:1|10.1.0.21|WS-021|ws-021.corp.example|
36:1|10.1.0.25|phone (10.1.0.25)||
43:1|10.1.0.26|Phone (10.1.0.26)||
52:3|fd00:1::21|||
left 1: older entries of an address, line 4
left 1: expired, line 14
left 1: released, line 20
`},
		{"leases of Kea", file(t, "kea-leases4.csv"), Format{Kind: DHCP, Columns: leases}, `
6 rows
3:1|10.1.0.21|ws-021.corp.example|ws-021.corp.example|1
7:1|10.1.0.25|||1
left 1: older entries of an address, line 2
left 1: declined, line 4
left 1: expired, line 5
left 1: released, line 6
`},
		{"leases of Kea, IPv6", file(t, "kea-leases6.csv"), Format{Kind: DHCP, Columns: leases}, `
2 rows
2:1|fd00:1::21|ws-021||1
left 1: prefixes delegated, line 3
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			table, p := Read([]byte(c.text), c.f)
			if p != nil {
				t.Fatalf("%d:%d: %s", p.Line, p.Col, p.What)
			}
			if diff := cmp.Diff(strings.TrimPrefix(c.want, "\n"), shown(table)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadFails(t *testing.T) {
	kea := "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n"
	for _, c := range []struct {
		kind       Kind
		text, want string
	}{
		{CSV, "", "0:0: the file is empty"},
		{CSV, "\xef\xbb\xbf \n", "0:0: the file is empty"},
		{CSV, "IP,Name\n10.0.0.1,M\xfcller\n", "2:1: not UTF-8 text"},
		{CSV, "\xff\xfea", "0:0: the file is UTF-16 text that ends within a character"},
		{CSV, "IP,Name\n10.0.0.1\n", "2:1: the row has another number of fields than the first"},
		{CSV, "sep=,\nIP,Name\n\"10.0.0.1,a\n", "3:13: not CSV"},
		{CSV, "IP,Name\n" + strings.Repeat("x", MaxCell+1) + ",a\n", "2:1: a value of 4097 bytes"},
		{CSV, strings.Repeat(",", MaxColumns) + "\n", "1:1: the table has 1025 columns"},
		{Ansible, "{", "1:2: not the JSON of an Ansible inventory"},
		{Ansible, "[]", "1:2: not the JSON of an Ansible inventory"},
		{Ansible, "{}\n{}", "2:2: not the JSON of an Ansible inventory"},
		{Ansible, "{\"a\": {\"hosts\": [\n1]}}", "2:2: not the JSON of an Ansible inventory"},
		{DHCP, "lease 10.0.0.1 {\n binding state active;\n", "3:1: the file ends within a declaration"},
		{DHCP, "lease 10.0.0.300 {\n}\n", "1:1: \"10.0.0.300\" is no address"},
		{DHCP, "lease 10.0.0.1 {\n starts yesterday;\n}\n", "2:19: no time in starts"},
		{DHCP, "}\n", "1:2: a brace that closes nothing"},
		{DHCP, "lease 10.0.0.1 {\n client-hostname \"a\n", "2:20: a line break within quotes"},
		{DHCP, strings.Repeat("a { ", 20), "1:36: declarations within declarations"},
		{DHCP, "# nothing\n", "1:1: no lease"},
		{DHCP, "address,hwaddr\n", "1:1: the leases have no column \"valid_lifetime\""},
		{DHCP, kea + "10.0.0.1,,,x,1,1,0,0,,0,\n", "2:1: no lease of Kea"},
	} {
		table, p := Read([]byte(c.text), Format{Kind: c.kind, Columns: []string{"IP"}})
		if p == nil {
			t.Errorf("%.40q: taken, %d rows", c.text, len(table.Rows))
			continue
		}
		if got := fmt.Sprintf("%d:%d: %s", p.Line, p.Col, p.What); !strings.HasPrefix(got, c.want) || p.Do == "" {
			t.Errorf("%.40q: %s; %s, want %s", c.text, got, p.Do, c.want)
		}
	}
	if _, p := Read(make([]byte, MaxFile+1), Format{Kind: CSV}); p == nil || !strings.Contains(p.What, "33554433 bytes") {
		t.Errorf("a file that is too large: %v", p)
	}
	rows := "IP\n" + strings.Repeat("10.0.0.1\n", MaxRows+1)
	if _, p := Read([]byte(rows), Format{Kind: CSV, Columns: []string{"IP"}}); p == nil || p.Line != MaxRows+2 {
		t.Errorf("too many rows: %+v", p)
	}
}

// Files that are made to take long are refused before they do.
func TestHostileFiles(t *testing.T) {
	text := func(f func(b *strings.Builder)) string {
		var b strings.Builder
		f(&b)
		return b.String()
	}
	for name, c := range map[string]struct {
		kind       Kind
		text, want string
	}{
		"a chain of groups": {Ansible, text(func(b *strings.Builder) {
			b.WriteString("{")
			for i := range 20_000 {
				fmt.Fprintf(b, `"g%d": {"children": ["g%d"], "hosts": ["h%d"]},`, i, i+1, i)
			}
			b.WriteString(`"all": {}}`)
		}), "more than 1048576 memberships"},
		"one host in one group, again and again": {Ansible, text(func(b *strings.Builder) {
			b.WriteString(`{"a": {"children": ["b"]}, "b": {"hosts": ["h"`)
			b.WriteString(strings.Repeat(`,"h"`, 1<<19))
			b.WriteString("]}}")
		}), ""},
		"many hosts in one line": {Ansible, text(func(b *strings.Builder) {
			b.WriteString(`{"all": {"hosts": ["h"`)
			for i := range 200_000 {
				fmt.Fprintf(b, `,"h%d"`, i)
			}
			b.WriteString("]}}")
		}), ""},
		"values in depth": {Ansible, `{"_meta": {"hostvars": {"h": {"x": ` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + "}}}}", "not the JSON"},
		"states of all sorts": {DHCP, text(func(b *strings.Builder) {
			for i := range 100_000 {
				fmt.Fprintf(b, "lease 10.%d.%d.%d {binding state s%d;}", i>>16, i>>8&255, i&255, i)
			}
		}), ""},
		"hardware without end": {DHCP, "lease 10.0.0.1 {" + strings.Repeat("uid xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx;", 1<<18) + "}", "a value of"},
	} {
		table, p := Read([]byte(c.text), Format{Kind: c.kind, Columns: []string{"inventory_hostname", "x", "address"}})
		switch {
		case c.want == "" && (p != nil || len(table.Left) > 1):
			t.Errorf("%s: %+v, %+v", name, table, p)
		case c.want != "" && (p == nil || !strings.Contains(p.What, c.want)):
			t.Errorf("%s: %+v, want %s", name, p, c.want)
		}
	}
}

func TestUnits(t *testing.T) {
	for dn, want := range map[string]string{
		"CN=BKP01,OU=Backup,OU=Servers,DC=corp,DC=example": "Servers/Backup true",
		"CN=a,CN=Computers,DC=corp":                        "Computers true",
		`cn=a\, b,ou=x\2Cy\\,dc=c`:                         `x,y\ true`,
		"CN=a":                                             " true",
		"a/b":                                              " false",
		"":                                                 " false",
		strings.Repeat("OU=a,", 100) + "DC=b":              " false",
	} {
		units, ok := Units(dn)
		if got := fmt.Sprint(strings.Join(units, "/"), " ", ok); got != want {
			t.Errorf("%.60s: %s, want %s", dn, got, want)
		}
	}
}
